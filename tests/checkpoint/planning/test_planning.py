"""Plans: within the budget, never faster for less, and the best of their classes; the judges refuse wrong schedules."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from checkpoint import (
    Backward,
    BudgetError,
    Chain,
    Flops,
    Forward,
    Release,
    Schedule,
    ScheduleError,
    chain_of,
    every_nth,
    micro_batches,
    plan,
    plan_chain,
    simulate,
    store_all,
)
from checkpoint.planning.costs import FlopsAndReads, cost_of
from checkpoint.planning.pieces import SMALL_PIECES_COST
from checkpoint.planning.plan import search_of
from checkpoint.planning.planned import keeps_bits
from mlp.pieces import PIECES
from tests.checkpoint.chains import random_budget, random_chain, step_flops
from tests.checkpoint.exhaustive import WrongSchedule, interpret, least_recompute

CHAINS = {
    "even": chain_of([30, *[16] * 20, 5], batch_size=256),
    "cycle": chain_of([30, *[64, 4, 32, 2] * 5, 5], batch_size=256),
    "uneven": chain_of([31, 17, 40, 3, 22, 9, 35, 12, 28, 5, 41, 7], batch_size=250),
    "device": chain_of([30, *[16] * 20, 5], batch_size=256, backend="cupy"),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(("row_blocks", "cost"), [(True, None), (True, "operations"), (False, None)])
def test_plans_keep_their_budget_and_less_is_never_faster(name: str, row_blocks: bool, cost: str | None) -> None:
    chain = CHAINS[name]
    most = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    plans = []
    with pytest.raises(BudgetError) as caught:
        plan_chain(chain, budget_bytes=0, row_blocks=row_blocks, minimum_block_rows=16)
    smallest = caught.value.minimum_bytes
    for budget in range(smallest, most + 1, (most - smallest) // 24):
        found = plan_chain(chain, budget_bytes=budget, row_blocks=row_blocks, minimum_block_rows=16, cost=cost)
        simulation = simulate(found.schedule, chain)
        assert simulation.peak_bytes == found.peak_bytes <= found.budget_bytes
        assert interpret(found.schedule, chain).peak_bytes == found.peak_bytes
        assert simulation.recompute_fraction == found.recompute_fraction
        assert row_blocks or found.row_block is None
        assert found.row_block is not None or found.cost >= found.lower_bound
        plans.append(found)
    assert len(plans) > 15
    assert all(less.cost >= more.cost for less, more in pairwise(plans))
    if cost == "operations" or not row_blocks:
        assert all(less.recompute_fraction >= more.recompute_fraction for less, more in pairwise(plans))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("row_blocks", [True, False])
def test_the_smallest_budget_is_feasible_and_one_byte_less_is_not(name: str, row_blocks: bool) -> None:
    chain = CHAINS[name]
    with pytest.raises(BudgetError) as caught:
        plan_chain(chain, budget_bytes=0, row_blocks=row_blocks, minimum_block_rows=16)
    smallest = caught.value.minimum_bytes
    assert plan_chain(chain, budget_bytes=smallest, row_blocks=row_blocks, minimum_block_rows=16).peak_bytes <= smallest
    with pytest.raises(BudgetError):
        plan_chain(chain, budget_bytes=smallest - 1, row_blocks=row_blocks, minimum_block_rows=16)


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize(("cost", "counting"), [(None, FlopsAndReads), ("operations", Flops)])
def test_the_cost_of_every_plan_is_that_of_its_actions(pieces: str, cost: str | None, counting: type[Flops]) -> None:
    """Also of the smallest peak's, which is searched without a cost, and of micro-batches with a smaller last one."""
    chain = chain_of([30, *[64, 4, 32, 2] * 3, 5], batch_size=250)
    smallest = search_of(chain, minimum_block_rows=16, pieces=pieces).smallest.need_bytes
    for budget in (smallest, 2 * smallest, 4 * smallest):
        found = plan_chain(chain, budget_bytes=budget, minimum_block_rows=16, pieces=pieces, cost=cost)
        slower = SMALL_PIECES_COST if pieces == "small" else 1
        assert found.cost == cost_of(found.schedule, chain, counting(chain)) * slower


@pytest.mark.parametrize("seed", range(6))
def test_plans_for_whole_mini_batches_are_the_best_of_all_schedules(seed: int) -> None:
    """Of 300 random chains with small budgets; `programs.temporary` says how rarely one is missed."""
    random = Random(seed)
    for _ in range(50):
        chain = random_chain(random, most_layers=5)
        budget = random_budget(random, chain)
        found = plan_chain(chain, budget_bytes=budget, row_blocks=False)
        assert found.cost - step_flops(chain) == least_recompute(chain, budget), (chain, budget)


def test_a_chain_where_no_persistent_schedule_is_the_best() -> None:
    """The once-only plan drops a checkpoint that has served, and recomputes it with the run below it."""
    chain, budget = Chain((1, 1, 1, 2, 1, 2), 16), 384
    assert least_recompute(chain, budget, kind="persistent") == 192
    assert least_recompute(chain, budget, kind="once-only") == least_recompute(chain, budget) == 128
    found = plan_chain(chain, budget_bytes=budget)
    assert (found.optimal_among, found.cost - step_flops(chain)) == ("once-only", 128)


def test_a_chain_where_a_temporary_checkpoint_is_the_best() -> None:
    """a_2 is kept beside the input, run from again, and dropped before its own backward step."""
    chain, budget = Chain((4, 3, 5, 6, 3, 7), 8), 709
    found = plan_chain(chain, budget_bytes=budget, row_blocks=False)
    assert (found.optimal_among, found.cost - step_flops(chain)) == ("persistent with one temporary checkpoint", 1104)
    assert str(found.schedule) == "F1 F2* F3 F4* F5 B5 F3* B4 F1 F2* B3 F1* B2 B1"
    assert least_recompute(chain, budget) == 1104
    assert least_recompute(chain, budget, kind="persistent") == 1536


def test_errors_in_place_close_the_gap_of_a_known_example() -> None:
    """Widths 4, 1, 2, 1, 2: with a second buffer for the error persistent schedules miss the best; here they don't."""
    chain = Chain((4, 1, 2, 1, 2), 1)
    for budget in range(4, 80, 4):
        assert least_recompute(chain, budget, kind="persistent") == least_recompute(chain, budget)


def test_a_cost_that_knows_small_blocks_are_slow_is_followed() -> None:
    class Dear:
        def forward(self, layer: int, rows: int) -> float:
            return 1.0 + rows / 256

        def backward(self, layer: int, rows: int) -> float:
            return 2.0 + rows / 128

    chain = CHAINS["even"]
    most = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    by_operations = plan_chain(chain, budget_bytes=most // 2, minimum_block_rows=16, cost="operations")
    by_seconds = plan_chain(chain, budget_bytes=most // 2, cost=Dear())
    assert by_operations.recompute_fraction == 0
    assert by_seconds.row_block is None
    assert by_seconds.recompute_fraction > 0


def test_the_message_of_a_budget_too_small_says_what_would_do() -> None:
    with pytest.raises(
        BudgetError, match=r"budget 1\.00 KiB is below this network's smallest peak, .* at batch 256; raise"
    ):
        plan([30, 16, 16, 5], batch_size=256, budget_bytes=1024)


@pytest.mark.parametrize(("sizes", "batch_size"), [([30, 64, 64, 64, 5], 512), ([5, *[32] * 8, 3], 10)])
def test_a_smaller_batch_is_advised_only_where_half_of_it_fits(sizes: list[int], batch_size: int) -> None:
    def refused(batch_size: int, budget_bytes: int | str) -> BudgetError:
        with pytest.raises(BudgetError) as caught:
            plan(sizes, batch_size=batch_size, budget_bytes=budget_bytes)
        return caught.value

    least, half = (refused(rows, 1).minimum_bytes for rows in (batch_size, batch_size // 2))
    assert str(refused(batch_size, least - 1)).endswith("raise the budget or shrink the batch") == (half < least)
    assert str(refused(batch_size, min(least, half) - 1)).endswith("; raise the budget")


def test_a_share_that_is_too_small_is_named_with_the_least_that_does() -> None:
    of: dict[str, Any] = {"batch_size": 10}
    with pytest.raises(
        BudgetError, match=r"^budget 9% \(.*\) is below .*, which is (.*%) of store all; raise the budget$"
    ) as e:
        plan([5, *[32] * 8, 3], budget_bytes="9%", **of)
    share = str(e.value).split("which is ")[1].partition(" ")[0]
    assert plan([5, *[32] * 8, 3], budget_bytes=share, **of).arena_bytes == e.value.minimum_bytes


F, B, D = Forward, Backward, Release
WRONG = {
    "input not held": (F(1), F(2), D(1), F(3), B(3), B(2), B(1)),
    "layer skipped": (F(1), F(2), F(3), B(3), B(1)),
    "used after release": (F(1), F(2), F(3), D(2), B(3), B(2), B(1)),
    "gradient twice": (F(1), F(2), F(3), B(3), B(2), B(1), B(1)),
    "gradient missing": (F(1), F(2), F(3), B(3), B(2), D(1)),
    "held at the end": (F(1), F(2), F(3), B(3), F(2), B(2), B(1)),
    "run after its weights changed": (F(1), F(2), F(3), B(3), F(3), B(2), B(1)),
    "error used as an activation": (F(1), F(2), F(3), B(3), F(3, (0, 4)), B(2), B(1)),
    "held twice": (F(1), F(1), F(2), F(3), B(3), B(2), B(1)),
    "blocks out of order": (F(1), F(2), F(3), B(3), B(2, (2, 4)), B(2, (0, 2)), B(1)),
    "block twice": (F(1), F(2), F(3), B(3), B(2, (0, 2)), B(2, (0, 2)), B(2, (2, 4)), B(1)),
    "rows that became no error": (
        *(F(1), F(2, (0, 2)), F(3, (0, 2)), B(3, (0, 2)), D(2, (0, 2))),
        *(F(2), F(3, (2, 4)), B(3, (2, 4)), B(2), B(1)),
    ),
    "no such layer": (F(1), F(2), F(3), F(4), B(3), B(2), B(1)),
}


@pytest.mark.parametrize("name", WRONG)
def test_both_judges_refuse(name: str) -> None:
    chain, schedule = Chain((3, 4, 5, 2), 4), Schedule(3, WRONG[name], "", 4)
    with pytest.raises(ScheduleError):
        simulate(schedule, chain)
    with pytest.raises((WrongSchedule, LookupError, ValueError)):
        interpret(schedule, chain)


@pytest.mark.parametrize(("backend", "keeps"), [("numpy", True), ("cupy", False)])
def test_row_blocks_of_whole_chunks_keep_the_bits_where_the_backend_does(backend: str, keeps: bool) -> None:
    chain = chain_of([30, *[64] * 6, 10], batch_size=1000, backend=backend)
    whole = simulate(store_all(n_layers=7), chain).peak_bytes
    found = plan_chain(chain, budget_bytes=whole // 3)
    assert found.row_block is not None
    assert found.keeps_bits is keeps
    assert plan_chain(chain, budget_bytes=whole, row_blocks=False).keeps_bits


@pytest.mark.parametrize(("backend", "keeps"), [("numpy", True), ("cupy", False)])
def test_small_pieces_keep_the_bits_only_where_that_is_promised(backend: str, keeps: bool) -> None:
    chain = chain_of([784, *[512] * 8, 10], batch_size=1024, backend=backend)
    small = replace(every_nth(n_layers=9, n=3), pieces="small")
    assert keeps_bits(every_nth(n_layers=9, n=3), chain)
    assert keeps_bits(small, chain) is keeps
    for pieces, expected in (("small", keeps), ("large", True)):
        found = plan_chain(chain, budget_bytes=2**24, row_blocks=False, pieces=pieces)
        assert (found.schedule.pieces, found.keeps_bits) == (pieces, expected)


def test_row_blocks_elsewhere_do_not_keep_the_bits() -> None:
    chain = chain_of([30, 64, 10], batch_size=1000)
    assert not keeps_bits(micro_batches(n_layers=2, batch_size=1000, rows=100), chain)
    assert keeps_bits(micro_batches(n_layers=2, batch_size=1000, rows=384), chain)
