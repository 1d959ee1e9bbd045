"""Lifetimes and placement: the sums are the simulator's, nothing overlaps, and whole mini-batches leave no hole."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import Chain, Schedule, chain_of, micro_batches, offloaded, simulate, store_all
from checkpoint.schedule.lifetimes import lifetimes
from checkpoint.schedule.placement import Placement, end_of, most_live_bytes, place, place_fewer, stacked
from checkpoint.schedule.refitting import refitted
from mlp.pieces import PIECES
from tests.checkpoint.schedules import KINDS, a_chain, a_schedule, persistent_tree, planned

SEEDS = range(60)


@cache
def drawn(kind: str, seed: int) -> tuple[Schedule, Chain]:
    random = Random(f"{kind} {seed}")
    chain = a_chain(random)
    return a_schedule(random, chain, kind), chain


def sharing(
    sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int], offsets: Sequence[int]
) -> list[tuple[int, int]]:
    """The pairs of arrays that live together and share bytes, by trying all pairs."""
    return [
        (x, y)
        for x in range(len(sizes))
        for y in range(x)
        if lasts[y] >= firsts[x] and lasts[x] >= firsts[y]
        if offsets[x] < offsets[y] + sizes[y] and offsets[y] < offsets[x] + sizes[x]
    ]


def lives(placement: Placement) -> tuple[list[int], list[int]]:
    """The first and the last action of each array."""
    return [array.first for array in placement.arrays], [array.last for array in placement.arrays]


# Lifetimes


@pytest.mark.parametrize("kind", KINDS)
def test_what_lives_adds_up_to_the_simulator_s_bytes_at_every_action(kind: str) -> None:
    for seed in SEEDS:
        schedule, chain = drawn(kind, seed)
        simulation = simulate(schedule, chain)
        n = len(simulation.peaks)
        during, after = [0] * (n + 1), [0] * (n + 1)
        for array in lifetimes(schedule, chain):
            size = chain.array_bytes(array.values)
            during[array.first] += size
            during[array.last + 1] -= size
            after[array.first] += size
            after[array.last] -= size
        assert tuple(accumulate(during))[:n] == simulation.peaks
        assert tuple(accumulate(after))[:n] == simulation.bytes_after


def test_arrays_come_in_the_order_taken() -> None:
    arrays = lifetimes(
        store_all(n_layers=2), replace(chain_of([4, 3, 2], batch_size=5, backend="cupy"), uptake="in pieces")
    )
    assert [str(array) for array in arrays] == ["a1", "a2", "db2", "dW2", "piece2", "db1", "dW1"]
    assert [array.first for array in arrays] == [0, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_gradients_are_no_arrays_of_the_step(kind: str) -> None:
    for seed in SEEDS:
        schedule, chain = drawn(kind, seed)
        kinds = {array.kind for array in lifetimes(schedule, chain, gradients=False)}
        assert kinds <= {"a", "piece"}


# Placement


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_arrays_that_live_together_share_a_byte(kind: str) -> None:
    for seed in SEEDS:
        placement = place(*drawn(kind, seed))
        assert sharing(placement.sizes, *lives(placement), placement.offsets) == []
        assert min(placement.offsets) >= 0
        assert end_of(placement.sizes, placement.offsets) == placement.arena_bytes >= placement.live_bytes


def test_an_overlap_would_be_noticed() -> None:
    placement = place(store_all(n_layers=2), chain_of([4, 3, 2], batch_size=5))
    offsets = list(placement.offsets)
    offsets[1] = offsets[0] + placement.sizes[0] - 1
    assert sharing(placement.sizes, *lives(placement), offsets) == [(1, 0)]


@st.composite
def trees(draw: st.DrawFn) -> tuple[Schedule, Chain]:
    widths = draw(st.lists(st.integers(1, 60), min_size=2, max_size=24))
    chain = Chain(
        tuple(widths),
        draw(st.integers(1, 40)),
        allocation_bytes=draw(st.sampled_from((1, 512))),
        error_in_place=draw(st.booleans()),
    )
    tree = persistent_tree(chain.n_layers, lambda n: draw(st.integers(0, n)))
    return replace(tree, pieces=draw(st.sampled_from(PIECES))), chain


@given(trees())
def test_persistent_schedules_of_whole_mini_batches_leave_no_hole(tree: tuple[Schedule, Chain]) -> None:
    """The theorem: by the rule alone, the arena is the most that lives at once."""
    schedule, chain = tree
    arrays = lifetimes(schedule, chain)
    sizes = [chain.placed_bytes(array.values) for array in arrays]
    firsts, lasts = [array.first for array in arrays], [array.last for array in arrays]
    room = most_live_bytes(sizes, firsts, lasts)
    assert end_of(sizes, stacked(sizes, firsts, lasts, room)) == room


@pytest.mark.parametrize("kind", ["tree", "store all", "every n-th", "binomial"])
def test_the_arena_of_small_arrays_is_the_peak(kind: str) -> None:
    for seed in range(500):
        random = Random(f"{kind} {seed}")
        chain = a_chain(random, most_layers=40, most_units=22)  # no array has 4 KiB
        schedule = a_schedule(random, chain, kind)
        assert place(schedule, chain).arena_bytes == simulate(schedule, chain).peak_bytes


arrays_of_any_life = st.lists(
    st.tuples(st.integers(1, 50), st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=40
)


@given(arrays_of_any_life)
def test_arrays_of_any_lives_are_placed(drawn: list[tuple[int, int, int]]) -> None:
    """Each of a size, some moments after the one before, for a length of life."""
    sizes, lengths = [size for size, _, _ in drawn], [length for _, _, length in drawn]
    firsts = list(accumulate(wait for _, wait, _ in drawn))
    lasts = [first + length for first, length in zip(firsts, lengths, strict=True)]
    room = most_live_bytes(sizes, firsts, lasts)
    for offsets in (stacked(sizes, firsts, lasts, room), refitted(sizes, firsts, lasts, room)):
        assert offsets is not None
        assert sharing(sizes, firsts, lasts, offsets) == []
        assert end_of(sizes, offsets) >= room


def test_what_leaves_a_hole_is_fitted_in_again() -> None:
    """A schedule that offloads, whose arrays do not die from the last to the first."""
    chain = Chain((15, 39, 7, 40, 27, 9, 11, 15, 8, 36), 8, error_in_place=True)
    placement = place(offloaded(n_layers=9, checkpoints=[1, 4, 6, 7]), chain)
    by_the_rule = stacked(placement.sizes, *lives(placement), placement.live_bytes)
    assert end_of(placement.sizes, by_the_rule) > placement.arena_bytes == placement.live_bytes


@pytest.mark.parametrize("backend", ["numpy", "cupy"])
@pytest.mark.parametrize("part", range(4))
def test_fewer_rows_take_no_more_than_planned(backend: str, part: int) -> None:
    """In small pieces and row blocks too, neither live bytes nor the arena's."""
    for seed in range(part * 12, part * 12 + 12):
        random = Random(seed)
        widths = [random.randint(1, random.choice((50, 2000))) for _ in range(random.randint(2, 9))]
        chain = chain_of(widths, batch_size=random.choice((7, 64, 200, 1000, 4096)), backend=backend)
        schedule = planned(random, chain, row_blocks=random.random() < 0.5, pieces=random.choice((None, *PIECES)))
        peak_bytes, most = simulate(schedule, chain).peak_bytes, place(schedule, chain).arena_bytes
        for rows in (1, chain.batch_size - 1, *(random.randint(1, chain.batch_size) for _ in range(4))):
            fewer = replace(chain, batch_size=rows)
            assert simulate(schedule.for_batch(rows), fewer).peak_bytes <= peak_bytes
            placement = place_fewer(schedule, chain, rows)
            assert placement.arena_bytes <= most
            assert sharing(placement.sizes, *lives(placement), placement.offsets) == []


def test_fewer_rows_lie_where_more_do_if_a_hole_would_take_more() -> None:
    chain = Chain((6, 6, 4, 3, 5, 1, 2, 4, 6, 3, 4, 1, 1), 12, 8)
    schedule = micro_batches(n_layers=12, batch_size=12, rows=4)
    most, alone = (place(schedule, each).arena_bytes for each in (chain, replace(chain, batch_size=8)))
    placement = place_fewer(schedule, chain, 8)
    assert placement.arena_bytes <= most < alone
    assert sharing(placement.sizes, *lives(placement), placement.offsets) == []


def test_too_many_arrays_are_not_fitted_in_again() -> None:
    n = 1500
    assert refitted([1] * n, [0] * n, [n] * n, n) is None


def test_large_arrays_begin_and_end_on_cache_lines_and_small_ones_are_not_padded() -> None:
    chain = chain_of([4, 3], batch_size=1)
    assert [chain.placed_bytes(values) for values in (1, 7, 1023, 1024, 1025)] == [4, 28, 4092, 4096, 4160]
    on_cupy = chain_of([4, 3], batch_size=1, backend="cupy")
    assert [on_cupy.placed_bytes(values) for values in (1, 128, 129, 1025)] == [512, 512, 1024, 4608]
