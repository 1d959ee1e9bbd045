"""The arrays that a rank holds for sums, between steps: how many, and how large. Plain numbers; no arrays here."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from backend.facts import CHUNK_ROWS, LINE_BYTES
from checkpoint.ranks.cutting import groups_of, shares_of_groups
from checkpoint.ranks.groups import most_held, spans_of
from checkpoint.ranks.items import Item

SLOTS = 3
"""Slots of a rank: an item is made in one while the next arrives in another and the last leaves from the third."""

PAGE_BYTES = 4096
"""Memory is pinned in multiples of this."""


@dataclass(frozen=True, slots=True)
class SlotSizes:
    """The values of each array that a rank holds for sums.

    Those of `ring` are used in turn. In `held`, sums of groups wait for others; `merged` is for one that arrives to be
    added to another, and `total` for a total that arrives: 0 where none does.
    """

    ring: tuple[int, ...]
    held: tuple[int, ...] = ()
    merged: int = 0
    total: int = 0

    @property
    def passed(self) -> tuple[int, ...]:
        """The sizes of those that are sent or received."""
        return (*self.ring, self.merged, self.total)

    @property
    def values(self) -> int:
        """The values of all of them."""
        return sum(self.passed) + sum(self.held)


def slots_of(
    items: Sequence[Item], *, owns: bool, rank: int, ranks: int, block_rows: int | None, sum_groups: int | None
) -> SlotSizes:
    """The slots of a rank for `items`; `owns`: it owns a layer.

    With row blocks in turns there is one for each item. With one share a rank there are a few, each as large as the
    largest item needs. With sums of groups, of mini-batches of any size, there are more where more sums leave at once.
    """
    largest = max(item.values for item in items)
    total = largest if owns else 0
    if sum_groups is not None:
        leaving, held = _needs(ranks, sum_groups)
        merged = largest if rank else 0  # sums of groups go up from rank to rank
        return SlotSizes((largest,) * (SLOTS - 1 + leaving), (largest,) * held[rank], merged, total)
    if block_rows is not None or len(items) == SLOTS:
        return SlotSizes(tuple(item.values for item in items), total=total)
    return SlotSizes((largest,) * SLOTS, total=total)


def most_slot_values(
    items: Sequence[Item], owners: Collection[int], *, ranks: int, block_rows: int | None, sum_groups: int | None
) -> int:
    """The values of the slots of the rank that has the most; `owners` are the ranks that own layers."""
    of: dict[str, Any] = {"ranks": ranks, "block_rows": block_rows, "sum_groups": sum_groups}
    return max(slots_of(items, owns=rank in owners, rank=rank, **of).values for rank in range(ranks))


@lru_cache(maxsize=16)
def _needs(ranks: int, sum_groups: int) -> tuple[int, tuple[int, ...]]:
    """What so many groups or fewer need: the most sums of an item that leave a rank, and the most that wait on each."""
    leaving, held = 1, [0] * ranks
    for number in range(ranks + 1, sum_groups + 1):  # of no more groups than ranks, each rank has one
        groups = groups_of(CHUNK_ROWS * number, number)
        for block, spans in enumerate(spans_of(shares_of_groups(groups, ranks), groups)):
            leaving = max(leaving, sum(not span.stays for span in spans))
            held[block] = max(held[block], most_held(spans))
    return leaving, tuple(held)


def pinned_starts(sizes: Iterable[int]) -> list[int]:
    """Where arrays of `sizes` bytes begin in pinned memory; the last number is where it ends, at a page's end.

    >>> pinned_starts([100, 5000])
    [0, 128, 8192]
    """
    starts = list(accumulate((_up(size, LINE_BYTES) for size in sizes), initial=0))
    return [*starts[:-1], _up(starts[-1], PAGE_BYTES)]


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit
