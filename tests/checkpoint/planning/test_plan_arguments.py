"""The doors of planning: what their arguments may be, and how a plan shows itself."""

from typing import Any

import numpy as np
import pytest

from checkpoint import (
    CheckpointError,
    Flops,
    Offloading,
    ScheduleError,
    chain_of,
    plan,
    plan_chain,
    simulate,
    store_all,
)
from checkpoint.planning.choice import Choice


@pytest.mark.parametrize("budget", [-1, 1.5, "a lot", "", None, True, b"1MiB"])
def test_a_budget_is_a_number_of_bytes_or_text_that_names_one(budget: int) -> None:
    with pytest.raises(CheckpointError, match="bytes"):
        plan([30, 16, 5], batch_size=4, budget_bytes=budget)


def test_a_budget_may_be_text_and_whole_numbers_may_be_numpys() -> None:
    sizes, batch = [30, *[64] * 9, 5], np.int64(256)
    chain = chain_of(np.array(sizes), batch_size=batch)
    whole = simulate(store_all(n_layers=np.int32(10)), chain).peak_bytes
    amount = whole // 2 // 1024
    plans = [
        plan(sizes, batch_size=batch, budget_bytes=budget)
        for budget in (amount * 1024, np.int64(amount * 1024), f"{amount}KiB")
    ]
    assert plans[0] == plans[1] == plans[2]
    half = plan(sizes, batch_size=256, budget_bytes="50%")
    assert half.budget_bytes == whole // 2
    assert type(half.budget_bytes) is int


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": 3},
        {"pieces": "tiny"},
        {"pieces": 1},
        {"minimum_block_rows": 0},
        {"minimum_block_rows": 1.5},
        {"offloading": "host"},
        {"offloading": 1e9},
    ],
    ids=str,
)
def test_arguments_of_a_wrong_type_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(wrong))):
        plan([30, 16, 5], batch_size=4, budget_bytes=10**6, **wrong)


@pytest.mark.parametrize("chain", [None, [30, 16, 5], Flops])
def test_plan_chain_and_simulate_want_a_chain(chain: Any) -> None:
    with pytest.raises(CheckpointError, match="Chain"):
        plan_chain(chain, budget_bytes=10**6)
    with pytest.raises(ScheduleError, match="Chain"):
        simulate(store_all(n_layers=2), chain)


def test_plan_shows_itself_in_a_few_lines_however_long_it_is() -> None:
    found = plan([30, *[64] * 300, 5], batch_size=256, budget_bytes="20%")
    assert len(repr(found)) < 1000
    assert repr(found).count("\n") < 5
    assert len(repr(found.schedule)) < 500
    assert f"{len(found.schedule):,} actions" in repr(found.schedule)


def test_what_costs_nothing_extra_is_called_by_its_name() -> None:
    found = plan([30, 64, 5], batch_size=256, budget_bytes="100%")
    assert (found.schedule.name, found.optimal_among, found.gap) == ("store all", "all schedules", 0)


@pytest.mark.parametrize("part", ["60%", "30%", "20%"])
@pytest.mark.parametrize("row_blocks", [False, True])
def test_no_plan_is_below_its_lower_bound(part: str, row_blocks: bool) -> None:
    for sizes in ([30, *[64] * 20, 5], [30, *[64, 8, 40] * 7, 5]):
        found = plan(sizes, batch_size=1024, budget_bytes=part, row_blocks=row_blocks)
        assert found.lower_bound <= found.cost
        assert found.gap >= 0


def test_rates_without_a_place_to_offload_to_are_an_error() -> None:
    with pytest.raises(CheckpointError, match="give both"):
        Choice("optimal", budget="50%").schedule(chain_of([30, 16, 5], batch_size=4), offloading=Offloading(1e9, 1e12))
