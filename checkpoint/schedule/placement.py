"""Where each array of a step lies in the arena, the one block of memory that holds them all. Plain numbers; no arrays.

Two sums of bytes, one meaning each. `peak_bytes` of `simulate` is the most bytes that live at once. `arena_bytes` is
what the block takes: arrays of 4 KiB and more begin and end on cache lines (`Chain.placed_bytes`), and where arrays of
unequal lives lie between each other, a hole can be too small for what comes next.

The rule takes the arrays in the order in which a step takes them, once, and keeps the gaps between those that live. An
array goes to an end of a gap, beside a neighbour that outlives it; of several, beside the one that dies first, so that
gaps close again soon. The arrays that a run passes through (each lives until the next is made) take turns at both ends
of a gap, and begin at the end from which the last one, which stays, comes to lie as if it had been placed alone.

**Theorem.** For persistent schedules of whole mini-batches no hole ever forms, so that the arena takes the most bytes
that live at once. Such a schedule takes intervals (i, j) back, from a_i and delta_j to delta_i: at once, with all
between them held, or by a run to a_k, the interval (k, j), and then (i, k). *On entering an interval the free room is
one piece; delta_j borders one end of it, and what borders the other outlives the interval.* At first this is true: the
whole room is free, there is no error yet, and walls outlive everything. If an interval is taken back at once, its
arrays are stacked beside the neighbour that outlives them, and die from the last to the first, after delta_j; what a
backward step works in lives within one action. If it is split at k, the run takes turns and ends so that a_k lies
opposite delta_j, beside the neighbour that outlives both: on entering (k, j) the statement holds again. When delta_j
has died, the room is one piece once more, delta_k (in the place of a_k) borders one end, and what delta_j bordered
borders the other and outlives (i, k), which is all that is left of (i, j). So the statement holds for (i, k) too.

The rule is exact for most other schedules as well: of 6,000 random ones, row blocks and offload among them, for 98.6%.
Where it isn't, arrays are fitted in again from the largest to the smallest (`checkpoint.schedule.refitting`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from checkpoint.schedule.chain import Chain
from checkpoint.schedule.gaps import Gaps
from checkpoint.schedule.lifetimes import Columns, Repeat, StepArray, columns_of
from checkpoint.schedule.refitting import refitted
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Placement:
    """The arrays of a step, in the order in which they are taken, and the `offsets` at which they lie, in bytes.

    `sizes` are their bytes in the arena and `arena_bytes` are all that it takes; `live_bytes`, the most that live at
    once with the same padding, is what no arena can be below. Where `columns` has repeats, the arrays of one row block
    stand for those of others, which lie where they do.
    """

    columns: Columns
    sizes: Sequence[int]
    offsets: Sequence[int]
    arena_bytes: int
    live_bytes: int

    @property
    def arrays(self) -> list[StepArray]:
        """The arrays one by one."""
        return self.columns.arrays()


def place(schedule: Schedule, chain: Chain, *, gradients: bool = True, briefly: bool = False) -> Placement:
    """Where the arrays of a step of `schedule` on `chain` lie; see `lifetimes` for what is taken for granted.

    `briefly`: one row block stands for others wherever that is seen to be the same.

    >>> from checkpoint.schedule.chain import chain_of
    >>> from checkpoint.schedule.actions import Backward, Forward
    >>> actions = (Forward(1), Forward(2), Backward(2), Backward(1))
    >>> place(Schedule(2, actions), chain_of([4, 3, 2], batch_size=5)).offsets
    [0, 60, 124, 100, 108, 60]
    """
    if briefly:
        columns = columns_of(schedule, chain, gradients=gradients, briefly=True)
        sizes, live_bytes = _sizes(columns, chain)
        offsets, alike = _stacked(sizes, columns.firsts, columns.lasts, live_bytes, columns.repeats)
        if not columns.repeats or (alike and end_of(sizes, offsets) == live_bytes):
            return _fitted(columns, sizes, offsets, live_bytes)
    columns = columns_of(schedule, chain, gradients=gradients)
    sizes, live_bytes = _sizes(columns, chain)
    return _fitted(columns, sizes, stacked(sizes, columns.firsts, columns.lasts, live_bytes), live_bytes)


def _sizes(columns: Columns, chain: Chain) -> tuple[list[int], int]:
    """The bytes of each array in the arena, and the most of those that live at once."""
    placed = {values: chain.placed_bytes(values) for values in set(columns.values)}
    sizes = [placed[values] for values in columns.values]
    return sizes, most_live_bytes(sizes, columns.firsts, columns.lasts)


def _fitted(columns: Columns, sizes: list[int], offsets: list[int], live_bytes: int) -> Placement:
    """The placement by the rule or, where it leaves a hole, the better of it and the other way."""
    if end_of(sizes, offsets) > live_bytes:
        others = refitted(sizes, columns.firsts, columns.lasts, live_bytes)
        if others is not None and end_of(sizes, others) < end_of(sizes, offsets):
            offsets = others
    return Placement(columns, sizes, offsets, end_of(sizes, offsets), live_bytes)


def place_fewer(schedule: Schedule, chain: Chain, rows: int, *, gradients: bool = True) -> Placement:
    """`place` for a mini-batch of `rows` rows, in no larger an arena than the one for `chain.batch_size` rows.

    Where a hole would make it larger, each array lies where that of the larger mini-batch does, which lives as long or
    longer and takes as much or more.
    """
    fewer = place(schedule, replace(chain, batch_size=rows), gradients=gradients)
    planned = place(schedule, chain, gradients=gradients)
    if fewer.arena_bytes <= planned.arena_bytes:
        return fewer
    where = {(array.first, array.kind): offset for array, offset in zip(planned.arrays, planned.offsets, strict=True)}
    actions = schedule.for_batch(chain.batch_size).actions
    kept = [position for position, action in enumerate(actions) if action.rows is None or action.rows[0] < rows]
    offsets = [where[kept[array.first], array.kind] for array in fewer.arrays]
    return replace(fewer, offsets=offsets, arena_bytes=end_of(fewer.sizes, offsets))


def arena_bytes(schedule: Schedule, chain: Chain) -> int:
    """The bytes of the block that holds every array of a step of `schedule` on `chain`."""
    return place(schedule, chain, briefly=True).arena_bytes


def most_live_bytes(sizes: Iterable[int], firsts: Sequence[int], lasts: Iterable[int]) -> int:
    """The most bytes of arrays that live at once; an array lives from its first moment to its last, both included."""
    changes = [0] * (max(firsts, default=0) + 1)
    for size, first, last in zip(sizes, firsts, lasts, strict=True):
        changes[first] += size
        if last + 1 < len(changes):
            changes[last + 1] -= size
    return max(accumulate(changes))


def end_of(sizes: Iterable[int], offsets: Iterable[int]) -> int:
    """The end of the array that lies highest."""
    return max(map(int.__add__, offsets, sizes), default=0)


def stacked(sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int], room: int) -> list[int]:
    """The offsets by the rule, within `room` bytes where no hole forms, and beyond them where one does.

    The arrays come in the order taken: `firsts` never falls. Each takes about two microseconds.
    """
    return _stacked(sizes, firsts, lasts, room, ())[0]


def _stacked(
    sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int], room: int, repeats: Sequence[Repeat]
) -> tuple[list[int], bool]:
    """The same, and whether the arrays of one row block can stand for those of others.

    They can where all that lives after the block lies as it did before it: then the next block finds what it found.
    """
    n = len(sizes)
    gaps = Gaps(room)
    looked = {place for repeat in repeats if repeat.first < repeat.stop for place in repeat[:2]}
    seen: dict[int, object] = {}
    offsets = [0] * n
    high: list[bool | None] = [None] * n  # which end of a gap the arrays of a run take, once that is known
    ending: dict[int, list[int]] = {}
    now = 0
    for group in _taken_together(firsts):
        for moment in range(now, firsts[group.start]):
            for x in ending.pop(moment, ()):
                gaps.free(offsets[x], offsets[x] + sizes[x])
        now = firsts[group.start]
        if group.start in looked:
            seen[group.start] = gaps.state
        order: Iterable[int] = group
        if len(group) > 1:
            order = sorted(group, key=lambda x: (-lasts[x], -sizes[x]))
        for x in order:
            if high[x] is None:
                end = x
                while _passes(end, firsts, lasts):
                    end += 1
                if end > x:
                    side = gaps.choose(sizes[end], lasts[end])[1]
                    for y in range(end, x - 1, -1):
                        high[y], side = side, not side
            offsets[x] = gaps.take(sizes[x], lasts[x], high[x])
            ending.setdefault(lasts[x], []).append(x)
    alike = all(seen.get(first, 0) == seen.get(stop, 1) for first, stop, _ in repeats if first < stop)
    return offsets, alike


def _taken_together(firsts: Sequence[int]) -> Iterable[range]:
    """The arrays of each action, as ranges of their positions."""
    start = 0
    for stop in range(1, len(firsts) + 1):
        if stop == len(firsts) or firsts[stop] != firsts[start]:
            yield range(start, stop)
            start = stop


def _passes(x: int, firsts: Sequence[int], lasts: Sequence[int]) -> bool:
    """Whether a run passes through array x: one array is taken in its life, and one only, which outlives it."""
    following, last = x + 1, lasts[x]
    if following == len(firsts) or not firsts[following] <= last < lasts[following]:
        return False
    return following + 1 == len(firsts) or last < firsts[following + 1]
