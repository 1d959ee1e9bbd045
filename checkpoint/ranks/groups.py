"""Sums by groups of rows: which rows of a block are of which group, and how the groups' sums are added up.

Plain numbers; no arrays here. Groups are fixed by the mini-batch alone, so the order of additions, and with it every
bit, does not depend on who makes them. Within a group rows are added in their order. The groups' sums are added up as
the leaves of a binary tree, neighbours first: ((0 + 1) + (2 + 3)) + 4. A sum is named by the last group that is in it,
whose last rows' rank makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from checkpoint.schedule.actions import Rows


def level_of(group: int) -> int:
    """How often neighbours have been added up in the sum that is named by `group`, where none are left over.

    >>> [level_of(group) for group in range(8)]
    [0, 1, 0, 2, 0, 1, 0, 3]
    """
    return (~group & (group + 1)).bit_length() - 1


def next_of(group: int, groups: int) -> int | None:
    """The sum that the one named by `group` is added to, of `groups` groups; None for the last, which is the total.

    >>> [next_of(group, 5) for group in range(5)]
    [1, 3, 3, 4, None]
    """
    return None if group == groups - 1 else min(group + (1 << level_of(group)), groups - 1)


@dataclass(frozen=True, slots=True)
class Span:
    """The `rows` of a block that are of one `group`; `number` counts spans in the order of rows.

    `first` is the number of the group's first span; `ends`: whether this is its last. Where it is, `merges` are the
    sums that are added to its own, in order; each as (group, the block that makes it). `to` is the block that adds the
    result to its own: None for the total, and this one where it waits here.
    """

    number: int
    block: int
    rows: Rows
    group: int
    first: int
    ends: bool
    merges: tuple[tuple[int, int], ...] = ()
    to: int | None = None

    @property
    def begins(self) -> bool:
        """Whether the group's first rows are among these."""
        return self.first == self.number

    @property
    def stays(self) -> bool:
        """Whether the sum waits where it is made, for another group's."""
        return self.ends and self.to == self.block

    @property
    def arrivals(self) -> tuple[tuple[int, int], ...]:
        """Those of `merges` that other blocks make."""
        return tuple((group, block) for group, block in self.merges if block != self.block)


def spans_of(blocks: tuple[Rows, ...], groups: tuple[Rows, ...]) -> tuple[tuple[Span, ...], ...]:
    """The spans of each block. Without `groups`, all rows are of one.

    >>> [[(s.group, s.merges, s.to) for s in spans] for spans in spans_of(((0, 2), (2, 3)), ((0, 1), (1, 2), (2, 3)))]
    [[(0, (), 0), (1, ((0, 0),), 1)], [(2, ((1, 0),), None)]]
    """
    groups = groups or ((0, blocks[-1][1]),)
    pieces, group = [], 0
    for block, (start, stop) in enumerate(blocks):
        while start < stop:
            end = min(stop, groups[group][1])
            pieces.append((block, (start, end), group))
            group += end == groups[group][1]
            start = end
    makers = {group: block for block, _, group in pieces}  # the last of each
    firsts = {group: number for number, (*_, group) in reversed(list(enumerate(pieces)))}
    merges: dict[int, list[tuple[int, int]]] = {}
    for group in reversed(range(len(groups))):
        following = next_of(group, len(groups))
        if following is not None:
            merges.setdefault(following, []).append((group, makers[group]))
    found: list[list[Span]] = [[] for _ in blocks]
    for number, (block, rows, group) in enumerate(pieces):
        ends = rows[1] == groups[group][1]
        following = next_of(group, len(groups))
        to = block + 1 if not ends else None if following is None else makers[following]
        added = tuple(merges.get(group, ())) if ends else ()
        found[block].append(Span(number, block, rows, group, firsts[group], ends, added, to))
    return tuple(map(tuple, found))


def most_held(spans: Sequence[Span]) -> int:
    """The most sums that wait at once where `spans` are, all of one block."""
    held = most = 0
    for span in spans:
        held += span.stays
        most = max(most, held)
        held -= len(span.merges) - len(span.arrivals)
    return most


def sums_of_groups(sums: Sequence[object]) -> object:
    """How the `sums` of groups are added up: nested pairs.

    >>> sums_of_groups("abcde")
    ((('a', 'b'), ('c', 'd')), 'e')
    """
    others: list[list[int]] = [[] for _ in sums]  # the groups whose sums a group adds to its own, in their order
    for other in reversed(range(len(sums))):
        following = next_of(other, len(sums))
        if following is not None:
            others[following].append(other)
    made: list[object] = []
    for own, before in zip(sums, others, strict=True):
        total = own
        for other in before:
            total = (made[other], total)
        made.append(total)
    return made[-1]
