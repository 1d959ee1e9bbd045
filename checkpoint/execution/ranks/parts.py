"""What one rank does in the steps of a network, worked out once for each size of mini-batch. No arrays here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from checkpoint.ranks.actions import RankAction
from checkpoint.ranks.cutting import blocks_of, largest_block, own_blocks
from checkpoint.ranks.distribution import Wave, distribute
from checkpoint.ranks.items import SLOTS, Item, items_of, slot_sizes
from checkpoint.ranks.replay import replay
from checkpoint.schedule.actions import Rows
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

JUDGED_ACTIONS = 200_000
"""The lists of all ranks are judged where they are no more than so many actions: a second."""


class Scheduled(Protocol):
    """What has a schedule for a row block of some size."""

    whole_gradients: bool

    def schedule_for(self, batch_size: int) -> Schedule: ...

    def chain(self, batch_size: int) -> Chain: ...

    @property
    def is_seeded(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Part:
    """What a rank does in a step: all ranks' wave, its own actions, and the rows of its own blocks."""

    wave: Wave
    actions: Sequence[RankAction]
    own: tuple[Rows, ...]


class Parts:
    """The parts of rank `rank` of `ranks`, by the rows of mini-batches; `block_rows` are those of turns."""

    def __init__(
        self, widths: Sequence[int], rank: int, owners: tuple[int, ...], *, ranks: int, block_rows: int | None
    ) -> None:
        self._widths, self._rank, self._ranks, self._owners = widths, rank, ranks, owners
        self._block_rows = block_rows
        self._made: dict[tuple[int, int], Part] = {}
        self.most_rows = 0
        """The rows of the largest mini-batch so far. Items are as for that one, so that slots fit."""

    def part(self, rows: int, network: Scheduled) -> Part:
        """The part in a step on a mini-batch of `rows` rows."""
        self.most_rows = max(self.most_rows, rows)
        key = rows, self.most_rows
        if key not in self._made:
            blocks = blocks_of(rows, self._ranks, self._block_rows)
            most = self.most_own
            items = self._items(most, whole=network.whole_gradients)
            n_slots = SLOTS if self._block_rows is None else len(items)
            schedule, seeded = network.schedule_for(most), network.is_seeded
            wave = Wave(schedule, self._ranks, blocks, items, self._owners, n_slots, seeded)
            lists = distribute(wave)
            if sum(map(len, lists)) <= JUDGED_ACTIONS:
                replay(wave, lists, network.chain(rows))
            self._made[key] = Part(wave, lists[self._rank], own_blocks(blocks, self._rank, self._ranks))
        return self._made[key]

    def slot_values(self, rows: int, *, whole: bool) -> int:
        """The values of this rank's slots where row blocks have at most `rows` rows; `whole`: for whole layers."""
        items = self._items(rows, whole=whole)
        total = max(item.values for item in items) if self._rank in self._owners else 0
        return sum(slot_sizes(items, SLOTS if self._block_rows is None else len(items))) + total

    def _items(self, rows: int, *, whole: bool) -> tuple[Item, ...]:
        return items_of(self._widths, rows=rows, item_rows=max(self._widths) if whole else None)

    @property
    def most_own(self) -> int:
        """The rows of the largest row block of all so far."""
        return largest_block(max(self.most_rows, 1), self._ranks, self._block_rows)
