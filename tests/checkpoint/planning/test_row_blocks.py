"""Row blocks: the closed forms of leaves against the simulator, and micro-batches."""

from random import Random

import pytest

from checkpoint import (
    Action,
    BudgetError,
    Chain,
    CheckpointError,
    Flops,
    Forward,
    chain_of,
    micro_batches,
    plan_chain,
    simulate,
)
from checkpoint.planning.costs import block_sizes, cost_of
from checkpoint.planning.programs.leaves import Leaves
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.schedule.stretches import written
from checkpoint.strategies.sweeps import sweep, sweep_in_row_blocks, there_and_back, there_and_back_in_row_blocks
from tests.checkpoint.chains import common_divisor, ladder_of, random_chain, schedule_of
from tests.checkpoint.exhaustive import interpret


def leaf(chain: Chain, start: int, stop: int, rows: int) -> list[Action]:
    return list(written([there_and_back_in_row_blocks(chain.n_layers, chain.batch_size, [start, stop], rows)]))


@pytest.mark.parametrize("allocation_bytes", [1, 512])
def test_a_leaf_needs_what_the_simulator_counts(allocation_bytes: int) -> None:
    random = Random(2)
    for _ in range(400):
        small = random_chain(random)
        chain = Chain(small.widths, random.randint(2, 12), 4, allocation_bytes)
        rows = random.randint(1, chain.batch_size)
        start = random.randrange(chain.n_layers)
        leaves = Leaves(chain, Flops(chain), [rows], sorted({0, start, chain.n_layers}))
        (end,) = leaves.to_end()[-1]
        # the segment from a_start to the end of the chain, and then all below it
        actions = [*sweep(0, start), *leaf(chain, start, chain.n_layers, rows)]
        before = len(list(sweep(0, start)))
        below: list[Action] = []
        if start:
            (inner,) = leaves.from_start(0)[0]
            below = leaf(chain, 0, start, rows)
        simulation = simulate(schedule_of(chain, [*actions, *below]), chain)
        assert max(simulation.peaks[before : len(actions)]) == end.need_bytes
        if start:
            assert max(simulation.peaks[len(actions) :]) == inner.need_bytes
            schedule = schedule_of(chain, [*actions, *below])
            forward = sum(chain.forward_flops(layer) for layer in range(1, start + 1))
            assert cost_of(schedule, chain, Flops(chain)) == end.cost + inner.cost + forward


@pytest.mark.parametrize("allocation_bytes", [1, 512])
@pytest.mark.parametrize("rows", [12, 4, 3, 5, 9])
def test_a_run_in_blocks_needs_what_the_simulator_counts(allocation_bytes: int, rows: int) -> None:
    """To the byte where the blocks are three or more of one size, and no more than said for others."""
    random = Random(3)
    for _ in range(100):
        chain = Chain(random_chain(random).widths, 12, 4, allocation_bytes)
        ladder = ladder_of(chain, [rows])
        stop = random.randrange(1, chain.n_layers)
        run = list(written([sweep_in_row_blocks(12, 0, stop, rows)]))
        rest = [*there_and_back(chain.n_layers, stop, chain.n_layers), *there_and_back(chain.n_layers, 0, stop)]
        schedule = schedule_of(chain, [*run, *rest])
        peak = max(simulate(schedule, chain).peaks[: len(run)])
        assert peak <= ladder.sweeps[0][stop]
        assert peak == ladder.sweeps[0][stop] or rows in (5, 9)
        assert interpret(schedule, chain).peak_bytes == simulate(schedule, chain).peak_bytes


def test_checkpoints_in_blocks_spare_the_wide_layers_between_them() -> None:
    chain = chain_of([50, *[256, 4] * 6, 5], batch_size=512)
    whole = plan_chain(chain, budget_bytes=10**9, row_blocks=False).peak_bytes
    with pytest.raises(BudgetError) as in_whole:
        plan_chain(chain, budget_bytes=0, row_blocks=False)
    with pytest.raises(BudgetError) as in_blocks:
        plan_chain(chain, budget_bytes=0)
    assert in_blocks.value.minimum_bytes < in_whole.value.minimum_bytes / 1.5 < whole
    plan = plan_chain(chain, budget_bytes=in_blocks.value.minimum_bytes)
    assert any(isinstance(action, Forward) and action.whole for action in plan.schedule)


@pytest.mark.parametrize("seed", range(4))
def test_persistent_plans_with_blocks_keep_their_budget(seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        chain = Chain(random_chain(random).widths, random.randint(4, 16))
        ladder = ladder_of(chain, block_sizes(chain.batch_size, minimum_rows=1))
        smallest = SmallestPeak(ladder).peak_bytes
        budget = random.randint(smallest, 2 * smallest)
        found = Persistent(ladder, budget, common_divisor(ladder))
        schedule = schedule_of(chain, written(found.stretches()))
        assert cost_of(schedule, chain, Flops(chain)) == found.cost
        assert simulate(schedule, chain).peak_bytes == interpret(schedule, chain).peak_bytes <= budget


def test_micro_batches_recompute_nothing_and_hold_all_gradients() -> None:
    chain = chain_of([20, 30, 30, 5], batch_size=12)
    simulation = simulate(micro_batches(n_layers=3, batch_size=12, rows=4), chain)
    assert simulation.recomputed_layers == 0
    assert simulation.peak_bytes > sum(chain.gradient_bytes(layer) for layer in (1, 2, 3))


@pytest.mark.parametrize("rows", [0, 13, 2.5])
def test_blocks_have_rows_of_the_batch(rows: int) -> None:
    with pytest.raises(CheckpointError, match="row block"):
        micro_batches(n_layers=3, batch_size=12, rows=rows)
