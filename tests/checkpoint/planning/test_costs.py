"""What plans count by default: operations, and weights that row blocks read again."""

from itertools import pairwise
from random import Random

import pytest

from checkpoint import Chain, CheckpointError, Flops, chain_of, micro_batches, plan, plan_chain, simulate, store_all
from checkpoint.planning.costs import REREAD_ROWS, FlopsAndReads, block_sizes, cost_of
from checkpoint.planning.programs.guided import Estimates, Guided
from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.schedule.stretches import written
from tests.checkpoint.chains import common_divisor, random_budget, random_chain, schedule_of

DEEP = chain_of([100, *[64] * 24, 10], batch_size=2048)


def test_whole_mini_batches_count_their_operations_and_blocks_the_weights_read_again() -> None:
    counted, flops = FlopsAndReads(DEEP), Flops(DEEP)
    whole = store_all(n_layers=DEEP.n_layers)
    operations = cost_of(whole, DEEP, flops)
    assert cost_of(whole, DEEP, counted) == operations
    for rows in (1024, 512, 128):
        blocks = micro_batches(n_layers=DEEP.n_layers, batch_size=2048, rows=rows)
        again = operations * REREAD_ROWS * (2048 // rows - 1) // 2048
        assert cost_of(blocks, DEEP, flops) == operations
        assert cost_of(blocks, DEEP, counted) == operations + again


@pytest.mark.parametrize("share", [0.6, 0.3, 0.15])
def test_no_plan_takes_smaller_blocks_than_its_budget_asks_for(share: float) -> None:
    """Counting operations alone, every plan with blocks has the smallest."""
    budget = int(share * simulate(store_all(n_layers=DEEP.n_layers), DEEP).peak_bytes)
    ours, operations = (plan_chain(DEEP, budget_bytes=budget, cost=cost) for cost in (None, "operations"))
    counted = FlopsAndReads(DEEP)
    assert cost_of(ours.schedule, DEEP, counted) <= cost_of(operations.schedule, DEEP, counted)
    assert operations.recompute_fraction <= ours.recompute_fraction
    assert (operations.row_block or 2048) <= (ours.row_block or 2048)
    larger = [plan_chain(DEEP, budget_bytes=budget, minimum_block_rows=rows) for rows in (128, 256, 512, 1024)]
    assert all(few.cost <= many.cost for few, many in pairwise(larger))
    assert ours.cost == larger[0].cost


def test_operations_alone_are_counted_where_that_is_asked_for() -> None:
    budget = simulate(store_all(n_layers=DEEP.n_layers), DEEP).peak_bytes // 3
    by_name = plan_chain(DEEP, budget_bytes=budget, cost="operations")
    assert by_name.recompute_fraction == 0
    assert by_name.row_block is not None
    assert by_name.cost == cost_of(by_name.schedule, DEEP, Flops(DEEP))
    assert by_name.schedule == plan_chain(DEEP, budget_bytes=budget, cost=Flops(DEEP), minimum_block_rows=128).schedule
    assert plan(DEEP.widths, batch_size=2048, budget_bytes=budget, cost="operations").schedule == by_name.schedule
    with pytest.raises(CheckpointError, match="or be 'operations'; got 'seconds'"):
        plan_chain(DEEP, budget_bytes=budget, cost="seconds")


@pytest.mark.parametrize("seed", range(4))
def test_runs_and_leaves_in_blocks_cost_what_their_actions_do(seed: int) -> None:
    """So the cost that a program minimises is that of the schedule, however it runs to its checkpoints."""
    random = Random(seed)
    blocked = 0
    for _ in range(60):
        chain = Chain(random_chain(random).widths, random.randint(4, 16))
        cost = FlopsAndReads(chain)
        sizes = block_sizes(chain.batch_size, minimum_rows=1)
        ladder = Ladder(chain, cost, list(range(chain.n_layers + 1)), sizes)
        smallest = SmallestPeak(ladder)
        budget = random.randint(smallest.peak_bytes, 2 * smallest.peak_bytes)
        exact = Persistent(ladder, budget, common_divisor(ladder), smallest)
        guided = Guided(smallest, Estimates(ladder, budget, max(1, budget // 48), smallest), budget)
        for found in (exact, guided):
            schedule = schedule_of(chain, written(found.stretches()))
            assert cost_of(schedule, chain, cost) == found.cost
            assert simulate(schedule, chain).peak_bytes <= budget
            blocked += any(action.rows and action.whole for action in schedule if hasattr(action, "whole"))
        assert exact.cost <= guided.cost
    assert blocked


@pytest.mark.parametrize("seed", range(3))
def test_for_whole_mini_batches_the_default_is_the_least_recomputing(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        chain = random_chain(random)
        budget = random_budget(random, chain)
        by_default, by_operations = (
            plan_chain(chain, budget_bytes=budget, row_blocks=False, cost=cost) for cost in (None, "operations")
        )
        assert by_default == by_operations
