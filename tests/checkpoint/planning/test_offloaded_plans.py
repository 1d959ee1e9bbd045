"""Plans that offload: the class searched exhaustively, what their schedules take, and what they gain."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise, product
from math import inf
from random import Random

import pytest

from checkpoint import (
    Backward,
    BudgetError,
    Chain,
    CheckpointError,
    Fetch,
    Flops,
    Forward,
    Offload,
    Offloading,
    Plan,
    Release,
    Schedule,
    chain_of,
    every_nth,
    front_of,
    offloaded,
    plan,
    plan_chain,
    simulate,
)
from checkpoint.planning.costs import FlopsAndReads
from checkpoint.planning.offload_search import SearchWithOffload
from checkpoint.planning.offloading import cost_with_copies
from checkpoint.planning.plan import search_of
from checkpoint.planning.programs.offloaded import OffloadedCheckpoints
from checkpoint.strategies.offloaded import ALL_ROWS, Segment, offloaded_actions
from tests.checkpoint.chains import random_chain, step_flops
from tests.checkpoint.schedule.test_simulation import written

RATES = (0.05, 0.5, 2.0, 20.0)
"""Operations in the time of a byte, for chains as small as these."""


def rates(random: Random, *, overlapped: bool) -> Offloading:
    """One operation takes one second."""
    return Offloading(1 / random.choice(RATES), 1.0, random.choice((0.0, 10.0)), overlapped)


def program_for(chain: Chain, offloading: Offloading, sizes: list[int] | None = None) -> OffloadedCheckpoints:
    cost = Flops(chain)
    return OffloadedCheckpoints(
        chain, cost, lambda size: offloading.copy_cost(size, cost), overlapped=offloading.overlapped, sizes=sizes
    )


def whole_class(chain: Chain, sizes: tuple[int, ...] = (ALL_ROWS,)) -> Iterator[Schedule]:
    """Every set of checkpoints, which of them are offloaded, and every moment in a segment for the fetch in it.

    With `sizes` every one of them for the rows of a block, on the way out and on the way back.
    """
    n_layers = chain.n_layers
    for count in range(n_layers):
        for checkpoints in combinations(range(1, n_layers), count):
            ends = list(pairwise([0, *checkpoints, n_layers]))
            for away in product((False, True), repeat=max(0, count - 1)):
                gone = [False, *away, False][: count + 1]
                ways = [
                    list(ways_of(*ends[i], gone[i], i > 0 and gone[i - 1], sizes, n_layers)) for i in range(count + 1)
                ]
                for segments in product(*ways):
                    actions = tuple(offloaded_actions(n_layers, chain.batch_size, segments))
                    yield Schedule(n_layers, actions, batch_size=None if len(sizes) == 1 else chain.batch_size)


def ways_of(
    start: int, stop: int, away: bool, fetches: bool, sizes: tuple[int, ...], n_layers: int
) -> Iterator[Segment]:
    for rows in sizes:
        moments = [stop] if not fetches else range(start, stop + 1) if rows == sizes[0] else [start, stop]
        for before in moments:
            for sweep_rows in sizes[:1] if stop == n_layers else sizes:
                yield Segment(start, stop, away, before, sweep_rows, rows)


@pytest.mark.parametrize("overlapped", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_equals_exhaustive_search_of_the_class(seed: int, overlapped: bool) -> None:
    random = Random(seed)
    for _ in range(10):
        chain, offloading = random_chain(random, most_layers=5), rates(random, overlapped=overlapped)
        cost = Flops(chain)
        program = program_for(chain, offloading)
        every = [
            (simulate(schedule, chain).peak_bytes, cost_with_copies(schedule, chain, cost, offloading))
            for schedule in whole_class(chain)
        ]
        assert program.smallest_peak_bytes == min(peak for peak, _ in every)
        for budget in sorted({peak for peak, _ in every} | {program.smallest_peak_bytes - 1}):
            found = program.best(budget)
            least = min((price for peak, price in every if peak <= budget), default=inf)
            assert (inf if found is None else found.cost) == pytest.approx(least), (chain, budget)
            assert program.is_exact(budget)


@pytest.mark.parametrize("overlapped", [True, False])
def test_equals_exhaustive_search_with_row_blocks(overlapped: bool) -> None:
    random = Random(3)
    for _ in range(8):
        chain = replace(random_chain(random, most_layers=3), batch_size=6)
        offloading, cost = rates(random, overlapped=overlapped), Flops(chain)
        program = program_for(chain, offloading, [6, 2])
        every = [
            (simulate(schedule, chain).peak_bytes, cost_with_copies(schedule, chain, cost, offloading))
            for schedule in whole_class(chain, (6, 2))
        ]
        assert program.smallest_peak_bytes == min(peak for peak, _ in every)
        for budget in sorted({peak for peak, _ in every}):
            found = program.best(budget)
            least = min((price for peak, price in every if peak <= budget), default=inf)
            assert (inf if found is None else found.cost) == pytest.approx(least), (chain, budget)


@pytest.mark.parametrize("overlapped", [True, False])
def test_schedule_takes_what_the_program_says(overlapped: bool) -> None:
    random = Random(9)
    for _ in range(150):
        chain, offloading = random_chain(random, most_layers=12), rates(random, overlapped=overlapped)
        program = program_for(chain, offloading)
        least = program.smallest_peak_bytes
        budget = random.randint(least, 2 * least)
        found = program.best(budget)
        assert found is not None
        schedule = Schedule(chain.n_layers, tuple(program.actions(found)))
        simulation = simulate(schedule, chain)
        assert simulation.peak_bytes <= budget
        cost = cost_with_copies(schedule, chain, Flops(chain), offloading)
        assert cost == pytest.approx(found.cost)
        assert simulation.recomputed_flops <= found.cost - step_flops(chain) + 1e-9


def test_larger_budget_never_costs_more() -> None:
    random = Random(2)
    for _ in range(20):
        chain, offloading = random_chain(random, most_layers=10), rates(random, overlapped=True)
        program = program_for(chain, offloading)
        costs = []
        for part in range(8):
            found = program.best(program.smallest_peak_bytes * (8 + part) // 8)
            assert found is not None
            costs.append(found.cost)
        assert costs == sorted(costs, reverse=True)


# What a step with copies costs


def test_cost_with_copies_is_that_counted_by_hand() -> None:
    chain = chain_of([1, 1, 1, 1], batch_size=1)  # each layer 2 forward, 4 backward, and 2 for the first
    schedule = Schedule(3, written("F1 O1 F2 D1 F3 P1 B3 B2 B1"))
    for seconds_per_byte, overlapped, expected in (
        (0.25, True, 16),  # a copy of 1 is hidden by F2, and by B3
        (0.75, True, 16 + 1),  # of 3: one more than F2 takes, and hidden by B3
        (1.5, True, 16 + 4 + 2),
        (0.25, False, 16 + 2),
    ):
        offloading = Offloading(1 / seconds_per_byte, 1.0, overlapped=overlapped)
        assert cost_with_copies(schedule, chain, Flops(chain), offloading) == expected


def test_copies_run_one_after_another() -> None:
    chain = chain_of([1, 1, 1, 1], batch_size=1)
    schedule = Schedule(3, written("F1 O1 F2 O2 F3 D2 D1 P2 P1 B3 B2 B1"))
    offloading = Offloading(4 / 10, 1.0)  # ten for a copy
    assert cost_with_copies(schedule, chain, Flops(chain), offloading) == 2 + 20 + 10 + 4 + max(10 - 4, 0) + 4 + 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"bytes_per_second": 0.0}, "bytes_per_second must be above 0 and finite; got 0.0"),
        ({"bytes_per_second": float("nan")}, "bytes_per_second must be above 0"),
        ({"bytes_per_second": 1.0, "flops_per_second": -1.0}, "flops_per_second must be above 0"),
        ({"bytes_per_second": 1.0, "seconds_per_copy": float("inf")}, "seconds_per_copy must be 0 or more"),
    ],
)
def test_rates_that_are_none_are_refused(arguments: dict[str, float], problem: str) -> None:
    with pytest.raises(CheckpointError, match=problem):
        Offloading(**arguments)  # type: ignore[arg-type]


def test_plan_in_operations_needs_their_rate() -> None:
    with pytest.raises(CheckpointError, match="needs flops_per_second"):
        plan([8] * 9, batch_size=64, budget_bytes=10**6, offloading=Offloading(1e9))


# Plans

DEEP = ([784, *[256] * 32, 10], 4096)
FAST = Offloading(25e9, 30e12)


def test_plan_that_offloads_is_cheaper_and_says_by_how_much() -> None:
    sizes, batch_size = DEEP
    for backend in ("numpy", "cupy"):
        budget = 40 * 2**20
        more = {"batch_size": batch_size, "budget_bytes": budget, "backend": backend, "row_blocks": False}
        without = plan(sizes, **more)  # type: ignore[arg-type]
        found = plan(sizes, **more, offloading=Offloading(1e12, 30e12))  # type: ignore[arg-type]
        assert found.offloaded_bytes > 0
        assert found.host_peak_bytes == found.offloaded_bytes
        assert found.peak_bytes <= budget
        assert found.cost < without.cost == found.cost_without_offload
        assert found.gain == 1 - found.cost / without.cost
        assert found.optimal_among == "once-only segments, each checkpoint kept or offloaded"
        assert any(isinstance(action, Offload) for action in found.schedule)


def fetched_and_kept(found: Plan) -> tuple[set[int], set[int]]:
    """The checkpoints that come back from the host, and those that are held from the forward pass to their segments."""
    back, made, kept = set(), {}, set()
    for position, action in enumerate(found.schedule):
        if isinstance(action, Fetch):
            back.add(action.layer)
        elif isinstance(action, Forward):
            made.setdefault(action.layer, position)
        elif isinstance(action, Release):
            made.pop(action.layer, None)
        elif isinstance(action, Backward) and action.layer == found.chain.n_layers:
            kept = set(made)
            break
    return {action.layer for action in found.schedule if isinstance(action, Fetch)}, kept


def test_some_are_kept_where_copies_take_longer_than_layers() -> None:
    """A mix is cheaper than what either way alone costs in the same budget."""
    chain = chain_of([64] * 25, batch_size=512)
    offloading = Offloading(1e9, 40e9)  # a copy out takes a layer's operations 1.2 times
    budget = plan_chain(chain, budget_bytes="100%", row_blocks=False).arena_bytes // 2
    found = plan_chain(chain, budget_bytes=budget, row_blocks=False, offloading=offloading)
    away, kept = fetched_and_kept(found)
    assert away
    assert kept - away
    assert found.cost_without_offload is not None
    assert found.cost < found.cost_without_offload
    program = program_for(chain.in_pieces(found.schedule.pieces), offloading)
    gone = [offloaded(n_layers=24, checkpoints=range(n, 24, n)) for n in range(1, 12)]
    prices = [
        cost_with_copies(schedule, chain, program.cost, offloading)
        for schedule in gone
        if simulate(schedule, chain).peak_bytes <= budget
    ]
    assert found.cost < min(prices)


def test_row_blocks_go_with_offload_where_that_is_cheaper() -> None:
    blocks = plan([512] * 17, batch_size=1024, budget_bytes="20%", backend="cupy", offloading=Offloading(50e9, 30e12))
    assert blocks.offloaded_bytes
    assert blocks.optimal_among == "once-only segments with row blocks, each checkpoint kept or offloaded"
    assert blocks.row_block is not None
    assert blocks.cost_without_offload is not None
    assert blocks.cost < blocks.cost_without_offload


def test_slow_copies_are_not_planned() -> None:
    sizes, batch_size = DEEP
    found = plan(sizes, batch_size=batch_size, budget_bytes=40 * 2**20, offloading=Offloading(1e6, 30e12))
    assert (found.offloaded_bytes, found.host_peak_bytes, found.gain) == (0, 0, 0)


def test_what_fits_is_kept() -> None:
    sizes, batch_size = DEEP
    found = plan(sizes, batch_size=batch_size, budget_bytes=2**30, offloading=FAST)
    assert (found.offloaded_bytes, found.gain, found.recomputed_layers) == (0, 0, 0)


def test_least_bytes_with_offload_are_planned_and_no_more_than_without() -> None:
    """Recomputing everything from the input comes down as far in almost every chain, at a far higher cost."""
    random = Random(4)
    for _ in range(60):
        chain = random_chain(random, most_layers=8)
        least = []
        for offload in (None, FAST):
            with pytest.raises(BudgetError) as refused:
                plan_chain(chain, budget_bytes=0, row_blocks=False, offloading=offload)
            least.append(refused.value.minimum_bytes)
        assert least[1] <= least[0]
        found = plan_chain(chain, budget_bytes=least[1], row_blocks=False, offloading=FAST)
        assert found.peak_bytes == least[1]


def test_offload_goes_below_the_least_bytes_without_it() -> None:
    """Running the wide layer 2 again would hold it beside the error of layer 4, which is as wide."""
    chain = Chain((1, 3, 9, 1, 9, 1), 64)
    least = []
    for offload in (None, FAST):
        with pytest.raises(BudgetError) as refused:
            plan_chain(chain, budget_bytes=0, row_blocks=False, offloading=offload)
        least.append(refused.value.minimum_bytes)
    assert least[1] < least[0]
    found = plan_chain(chain, budget_bytes=least[1], row_blocks=False, offloading=FAST)
    assert found.peak_bytes == least[1]
    assert (found.cost_without_offload, found.gain) == (None, None)


def test_smallest_peak_is_planned_on_cupy_s_bytes() -> None:
    chain = chain_of([20, *[24] * 9, 4], batch_size=33, backend="cupy")
    with pytest.raises(BudgetError) as refused:
        plan_chain(chain, budget_bytes=0, row_blocks=False, offloading=FAST)
    assert plan_chain(chain, budget_bytes=refused.value.minimum_bytes, row_blocks=False, offloading=FAST)


def test_front_with_offload_is_below_the_one_without() -> None:
    chain = chain_of([64] * 13, batch_size=512)
    offloading = Offloading(1e12, 1e12)
    plain, front = (front_of(chain, row_blocks=False, offloading=offload) for offload in (None, offloading))
    assert front.plans[-1].peak_bytes <= plain.plans[-1].peak_bytes
    assert any(found.offloaded_bytes for found in front.plans)
    for found in front.plans:
        assert found.cost <= min((p.cost for p in plain.plans if p.peak_bytes <= found.peak_bytes), default=inf)


def test_long_chains_are_planned_in_seconds() -> None:
    chain = Chain((*[8, 32, 16, 8, 24] * 300, 4), 64)
    begun = time.monotonic()
    program = program_for(chain, FAST)
    least = program.smallest_peak_bytes
    assert program.best(4 * least) is not None
    assert not program.is_exact(4 * least)
    assert time.monotonic() - begun < 20


# By name


def test_checkpoints_of_every_kind_can_be_offloaded() -> None:
    assert str(offloaded(n_layers=4, checkpoints=[2, 3])) == "F1 F2* O2 F3* D2 P2 F4 B4 B3 F1* B2 B1"
    assert str(offloaded(n_layers=1, checkpoints=[])) == "F1 B1"
    for n_layers in (2, 5, 12):
        chain = Chain((3,) * (n_layers + 1), 4)
        schedule = offloaded(n_layers=n_layers, checkpoints=range(1, n_layers))
        simulation = simulate(schedule, chain)
        assert simulation.recomputed_layers == 0
        assert simulation.offloaded_bytes == (n_layers - 2) * 4 * 3 * 4
    kept = simulate(every_nth(n_layers=12, n=3), chain)
    assert simulate(offloaded(n_layers=12, checkpoints=[3, 6, 9]), chain).recomputed_layers == kept.recomputed_layers


def test_some_checkpoints_stay() -> None:
    schedule = offloaded(n_layers=6, checkpoints=[1, 3, 4, 5], kept=[3])
    assert str(schedule) == "F1* O1 F2 F3* D1 F4* O4 F5* D4 P4 F6 B6 B5 P1 B4 F2* B3 B2 B1"
    with pytest.raises(CheckpointError, match=r"only checkpoints are kept; a_2 is none of \[1, 3\]"):
        offloaded(n_layers=6, checkpoints=[1, 3], kept=[2, 3])


def test_checkpoints_that_are_none_are_refused() -> None:
    with pytest.raises(CheckpointError, match="checkpoints must be from 1 to 3; got 1 to 4"):
        offloaded(n_layers=4, checkpoints=[1, 4])


def test_runs_in_row_blocks_cost_what_they_read_again() -> None:
    """Where copies hide nothing, the program's cost is that of the actions, and no plan is dearer for the choice."""
    swept = 0
    for seed in range(40):
        random = Random(f"read again {seed}")
        widths = [random.randint(1, random.choice((4, 30))) for _ in range(random.randint(3, 8))]
        chain, offloading = chain_of(widths, batch_size=12), rates(random, overlapped=False)
        search = search_of(chain, minimum_block_rows=2, offloading=offloading)
        assert isinstance(search, SearchWithOffload)
        program, cost = search._programs["large"], FlopsAndReads(chain)
        budget = program.smallest_peak_bytes + random.choice((0, 40, 400))
        found = program.best(budget)
        assert found is not None
        schedule = Schedule(chain.n_layers, tuple(program.actions(found)), batch_size=12)
        assert found.cost == pytest.approx(cost_with_copies(schedule, chain, cost, offloading), rel=1e-12)
        swept += any(segment.sweep_rows < 12 for segment in found.segments)
        with_offload, without = search.best(budget), search.without_offload(budget)
        assert with_offload is not None
        if without is not None:
            costs = [search.step_cost(search.schedule(candidate)) for candidate in (with_offload, without)]
            assert costs[0] <= costs[1] * (1 + 1e-12)
    assert swept > 5
