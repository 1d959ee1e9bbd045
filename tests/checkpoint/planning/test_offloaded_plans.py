"""Plans that offload: the class searched exhaustively, what their schedules take, and what they gain."""

import time
from collections.abc import Iterator
from itertools import combinations, pairwise, product
from math import inf
from random import Random

import pytest

from checkpoint import (
    BudgetError,
    Chain,
    CheckpointError,
    Flops,
    Offload,
    Offloading,
    Schedule,
    chain_of,
    every_nth,
    front_of,
    offloaded,
    plan,
    plan_chain,
    simulate,
)
from checkpoint.planning.offloading import cost_with_copies
from checkpoint.planning.programs.offloaded import OffloadedCheckpoints
from checkpoint.strategies.offloaded import offloaded_actions
from tests.checkpoint.chains import random_chain, step_flops
from tests.checkpoint.schedule.test_simulation import written

RATES = (0.05, 0.5, 2.0, 20.0)
"""Operations in the time of a byte, for chains as small as these."""


def rates(random: Random, *, overlapped: bool) -> Offloading:
    """One operation takes one second."""
    return Offloading(1 / random.choice(RATES), 1.0, random.choice((0.0, 10.0)), overlapped)


def program_for(chain: Chain, offloading: Offloading) -> OffloadedCheckpoints:
    cost = Flops(chain)
    return OffloadedCheckpoints(
        chain, cost, lambda size: offloading.copy_cost(size, cost), overlapped=offloading.overlapped
    )


def whole_class(chain: Chain) -> Iterator[Schedule]:
    """Every set of checkpoints, and every moment in each segment for the fetch that comes in it."""
    n_layers = chain.n_layers
    for count in range(n_layers):
        for checkpoints in combinations(range(1, n_layers), count):
            starts = [0, *checkpoints]
            moments = [range(start, stop + 1) for start, stop in pairwise([*starts, n_layers])]
            for fetch_before in product(*moments):
                yield Schedule(n_layers, tuple(offloaded_actions(n_layers, starts, fetch_before)))


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
            assert (inf if found is None else found.cost + step_flops(chain)) == pytest.approx(least), (chain, budget)


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
        assert cost == pytest.approx(found.cost + step_flops(chain))
        assert simulation.recomputed_flops <= found.cost + 1e-9


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
        assert found.optimal_among == "once-only segments, checkpoints offloaded"
        assert any(isinstance(action, Offload) for action in found.schedule)


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
    assert not program.all_places
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


def test_checkpoints_that_are_none_are_refused() -> None:
    with pytest.raises(CheckpointError, match="checkpoints must be from 1 to 3; got 1 to 4"):
        offloaded(n_layers=4, checkpoints=[1, 4])
