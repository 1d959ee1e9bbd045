"""What one rank does in the steps of a network, worked out once for each size of mini-batch. No arrays here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from checkpoint.ranks.actions import RankAction
from checkpoint.ranks.cutting import blocks_of, groups_of, largest_block, own_blocks
from checkpoint.ranks.distribution import distribute
from checkpoint.ranks.items import Item, items_in
from checkpoint.ranks.replay import replay
from checkpoint.ranks.slots import SlotSizes, most_slot_values, slots_of
from checkpoint.ranks.wave import Wave
from checkpoint.schedule.actions import Rows
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

JUDGED_ACTIONS = 200_000
"""The lists of all ranks are judged where they are no more than so many actions: a second."""


class Scheduled(Protocol):
    """What has a schedule for a row block of some size."""

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
    """The parts of rank `rank` of `ranks`, by the rows of mini-batches.

    `block_rows` are those of turns; `sum_groups` is the number of groups that sums are made of.
    """

    def __init__(
        self, rank: int, owners: tuple[int, ...], *, ranks: int, block_rows: int | None, sum_groups: int | None
    ) -> None:
        self._rank, self._ranks, self._owners = rank, ranks, owners
        self._block_rows, self._sum_groups = block_rows, sum_groups
        self._made: dict[tuple[int, int], Part] = {}
        self.most_rows = 0
        """The rows of the largest mini-batch so far. Items are as for that one, so that slots fit."""

    def part(self, rows: int, network: Scheduled) -> Part:
        """The part in a step on a mini-batch of `rows` rows."""
        self.most_rows = max(self.most_rows, rows)
        key = rows, self.most_rows
        if key not in self._made:
            blocks = blocks_of(rows, self._ranks, self._block_rows, sum_groups=self._sum_groups)
            most = self.most_own
            items = items_in(network.chain(most), most)
            wave = Wave(
                network.schedule_for(most),
                self._ranks,
                blocks,
                items,
                self._owners,
                len(self._slots(items).ring),
                network.is_seeded,
                groups_of(rows, self._sum_groups),
            )
            lists = distribute(wave)
            if sum(map(len, lists)) <= JUDGED_ACTIONS:
                replay(wave, lists, network.chain(rows))
            self._made[key] = Part(wave, lists[self._rank], own_blocks(blocks, self._rank, self._ranks))
        return self._made[key]

    def slots(self, chain: Chain, rows: int) -> SlotSizes:
        """This rank's slots where row blocks of `chain` have at most `rows` rows."""
        return self._slots(items_in(chain, rows))

    def most_slot_values(self, chain: Chain, rows: int) -> int:
        """The values of the slots of the rank that has the most of them: all plan as it has to."""
        return most_slot_values(items_in(chain, rows), self._owners, **self._cut)

    def _slots(self, items: Sequence[Item]) -> SlotSizes:
        return slots_of(items, owns=self._rank in self._owners, rank=self._rank, **self._cut)

    @property
    def _cut(self) -> dict[str, Any]:
        return {"ranks": self._ranks, "block_rows": self._block_rows, "sum_groups": self._sum_groups}

    @property
    def most_own(self) -> int:
        """The rows of the largest row block of all so far."""
        return largest_block(max(self.most_rows, 1), self._ranks, self._block_rows, sum_groups=self._sum_groups)
