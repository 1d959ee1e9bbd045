"""What an error advises to give is accepted when it is given, digit by digit as it is written."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import BudgetError, CheckpointError, NetworkWithCheckpointing, chain_of, plan, plan_chain
from checkpoint.planning.plan import search_of
from checkpoint.planning.process import check_room, memory_within
from checkpoint.ranks.planned import plan_in
from checkpoint.schedule.layers import Layer, general_chain
from checkpoint.units import format_bytes, least_bytes, parse_bytes, rounded_up

UNEVEN = [784, 61, 33, 64, 7, 49, 10]


@given(st.integers(1, 2**45))
def test_an_amount_rounded_up_is_read_as_no_less_and_little_more(amount: int) -> None:
    assert amount <= parse_bytes(rounded_up(amount)) <= amount * 1.01 + 1
    assert parse_bytes(least_bytes(amount).partition(" (")[0]) == amount


def test_rounding_to_the_nearest_would_not_do() -> None:
    assert parse_bytes(format_bytes(21313)) < 21313


@pytest.mark.parametrize("text", ["21,313", "21,313 bytes", "21313 bytes", "21313bytes"])
def test_amounts_are_read_as_they_are_printed(text: str) -> None:
    assert parse_bytes(text) == 21313


@pytest.mark.parametrize("text", ["2,1313", "21,31", ",100", "1,000.5", "1,2,3", "21313 byte s"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="a number of bytes is written like"):
        parse_bytes(text)


def in_a_plan(budget: int | str) -> object:
    return plan(UNEVEN, batch_size=37, budget_bytes=budget)


def in_whole_batches(budget: int | str) -> object:
    return plan(UNEVEN, batch_size=37, budget_bytes=budget, row_blocks=False, momentum=0.9)


def on_a_gpu(budget: int | str) -> object:
    return plan(UNEVEN, batch_size=37, budget_bytes=budget, backend="cupy")


def on_ranks(budget: int | str) -> object:
    return plan_in(budget, chain_of(UNEVEN, batch_size=37), slot_bytes=1234)


def in_a_general_chain(budget: int | str) -> object:
    return plan_chain(general_chain([Layer(4321, 2, 3), Layer(1234, 5, 6), Layer(77, 1, 1)]), budget_bytes=budget)


def in_a_step(budget: int | str) -> None:
    X, y = np.zeros((37, 784), "float32"), np.zeros((37, 10), "float32")
    NetworkWithCheckpointing(UNEVEN, budget_bytes=budget).update_mini_batch(X, y, eta=0.1)


@pytest.mark.parametrize("use", [in_a_plan, in_whole_batches, on_a_gpu, on_ranks, in_a_general_chain, in_a_step])
@pytest.mark.parametrize("too_little", [1, "1%"])
def test_each_amount_that_a_budget_error_names_is_accepted(
    use: Callable[[int | str], object], too_little: int | str
) -> None:
    with pytest.raises(BudgetError) as caught:
        use(too_little)
    after = re.split("smallest peak, |the least is ", str(caught.value))[1]
    exact, rounded = after.partition(")")[0].split(" (")
    for amount in (caught.value.minimum_bytes, exact, rounded):
        use(amount)
    with pytest.raises(BudgetError):
        use(caught.value.minimum_bytes - 1)


def test_the_limit_that_would_do_is_named_rounded_up_too() -> None:
    chain = chain_of(UNEVEN, batch_size=37)
    with pytest.raises(BudgetError) as caught:
        check_room(memory_within(1, chain, resident_bytes=12_345_678), search_of(chain))
    exact, rounded = re.search(r"--memory-limit (\d+) \(([^)]*)\)", str(caught.value)).groups()  # type: ignore[union-attr]
    for limit in (exact, rounded):
        check_room(memory_within(parse_bytes(limit), chain, resident_bytes=12_345_678), search_of(chain))


def test_a_planned_sequential_names_amounts_that_do(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from checkpoint.torch import plan_sequential

    layers = [torch.nn.Linear(33, 33) if k % 2 else torch.nn.Tanh() for k in range(6)]
    module, sample = torch.nn.Sequential(torch.nn.Linear(7, 33), *layers), torch.zeros(19, 7)
    with pytest.raises(BudgetError) as caught:
        plan_sequential(module, sample, budget_bytes=1)
    exact, rounded = re.search(r"(\d+ bytes) \(([^)]*)\)", str(caught.value)).groups()  # type: ignore[union-attr]
    assert parse_bytes(exact) == caught.value.minimum_bytes <= parse_bytes(rounded)
