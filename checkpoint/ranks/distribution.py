"""Writes what each rank does in a step, around the actions of one schedule. No arrays here.

The wave: for each item the rank of block k receives the sum of blocks 0 to k - 1, adds its own rows onto it, and
passes it on. Whoever has the last block has the total and hands it to the layer's owner, which applies it and
broadcasts the new weights. The sum is made in the order of one process, so its bits are those of one process.

The lists are those of one run of all ranks, taken step by step: in each, a rank that can do so adds one item, and takes
what totals have arrived. So no deadlock is in them as they stand; `checkpoint.ranks.replay` judges them all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from checkpoint.arguments import whole_number
from checkpoint.errors import ScheduleError
from checkpoint.ranks.actions import Add, Apply, Begin, Broadcast, RankAction, Receive, Send
from checkpoint.ranks.items import Item
from checkpoint.schedule.actions import Backward, Rows
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Wave:
    """What all ranks have to agree on: the schedule of a row block, and who does what.

    `blocks` are the mini-batch's, block k of rank k mod `ranks`; `items` those of `checkpoint.ranks.items`; `owners`
    the rank that owns each layer, first layer first; `slots` how many arrays for items each rank has, used in turn.
    Where they are `seeded`, owners send what sums begin with to rank 0, which has the first block.
    Raises `ScheduleError` for what makes no wave; one rank alone needs none.
    """

    schedule: Schedule
    ranks: int
    blocks: tuple[Rows, ...]
    items: tuple[Item, ...]
    owners: tuple[int, ...]
    slots: int = 3
    seeded: bool = False

    def __post_init__(self) -> None:
        whole_number("ranks", self.ranks, least=2, error=ScheduleError)
        whole_number("slots", self.slots, error=ScheduleError)
        if self.schedule.row_block is not None:
            raise ScheduleError("ranks follow a schedule for whole row blocks; give one without row blocks of its own")
        if len(self.owners) != self.schedule.n_layers or not all(0 <= owner < self.ranks for owner in self.owners):
            raise ScheduleError(f"each layer must have an owner among {self.ranks} ranks; got {self.owners}")

    @property
    def holder(self) -> int:
        """The rank that has the last block, and so the totals."""
        return (len(self.blocks) - 1) % self.ranks

    def owner(self, layer: int) -> int:
        """The rank that owns `layer`."""
        return self.owners[layer - 1]


def distribute(wave: Wave) -> list[list[RankAction]]:
    """The actions of every rank, in order.

    >>> from checkpoint.ranks.items import items_of
    >>> from checkpoint.strategies.store_all import store_all
    >>> wave = Wave(store_all(n_layers=1), 2, ((0, 128), (128, 200)), items_of((3, 2), rows=128), (0,))
    >>> for actions in distribute(wave):
    ...     print(*actions)
    block 0 F1 A1[0:3] S1[0:3]>1 B1 R1[0:3]=<1 U1[0:3] W1<0
    block 1 F1 R1[0:3]<0 A1[0:3] S1[0:3]=>0 B1 W1<0
    """
    ranks = [_Rank(wave, number) for number in range(wave.ranks)]
    posted: dict[tuple[int, int], int] = {}  # (block, index of an item), for the next block's rank -> the use of a slot
    totals: dict[int, tuple[int, int]] = {}  # index of an item -> the step in which its owner may receive it, the use
    step = 0
    while not all(rank.is_done for rank in ranks):
        step += 1
        moved = False
        arrived = set(posted)  # in an earlier step
        for rank in ranks:
            moved |= rank.take_totals(ranks, totals, step)
            moved |= rank.add(ranks, arrived, posted, totals, step)
            moved |= rank.broadcast()
        if not moved:
            raise ScheduleError("the ranks wait for each other: no rank can go on")
    return [rank.written for rank in ranks]


@dataclass(slots=True)
class _Rank:
    """One rank as the lists are written: what it still has to do, and which of its uses of slots are over.

    Slots are used in turn: use u of them is of slot u mod `wave.slots`.
    """

    wave: Wave
    number: int
    written: list[RankAction] = field(default_factory=list)
    used: int = 0
    over: set[int] = field(default_factory=set)
    coming: Iterator[tuple[int, int, list[RankAction], list[RankAction]]] = field(init=False)
    following: tuple[int, int, list[RankAction], list[RankAction]] | None = field(init=False)
    next_total: int = 0
    next_broadcast: int = 0
    backward_to: int = 0  # the layer that all own blocks have gone back to

    def __post_init__(self) -> None:
        self.coming = self._additions()
        self.following = next(self.coming, None)
        self.next_broadcast = self.wave.schedule.n_layers
        self.backward_to = self.wave.schedule.n_layers + 1 if self.following is not None else 1

    @property
    def has_slot(self) -> bool:
        """Whether the next slot is free."""
        return self.used < self.wave.slots or self.used - self.wave.slots in self.over

    @property
    def is_done(self) -> bool:
        return self.following is None and self.next_broadcast == 0

    def _additions(self) -> Iterator[tuple[int, int, list[RankAction], list[RankAction]]]:
        """Each addition of this rank as (block, index of the item), with the own actions before and after it."""
        by_layer: dict[int, list[int]] = {}
        for index, item in enumerate(self.wave.items):
            by_layer.setdefault(item.layer, []).append(index)
        for block in range(self.number, len(self.wave.blocks), self.wave.ranks):
            before: list[RankAction] = [Begin(block)]
            for action in self.wave.schedule.actions:
                if not isinstance(action, Backward):
                    before.append(action)
                    continue
                indices = by_layer[action.layer]
                for index in indices:
                    yield block, index, before, [action] if index == indices[-1] else []
                    before = []

    def add(
        self,
        ranks: Sequence["_Rank"],
        arrived: set[tuple[int, int]],
        posted: dict[tuple[int, int], int],
        totals: dict[int, tuple[int, int]],
        step: int,
    ) -> bool:
        """Do the next addition, where its sum has arrived and a slot is free."""
        if self.following is None:
            return False
        block, index, before, after = self.following
        wave, item = self.wave, self.wave.items[index]
        if not self.has_slot or (block and (block - 1, index) not in arrived):
            return False
        self.written += before
        if block:
            source = (block - 1) % wave.ranks
            ranks[source].over.add(posted.pop((block - 1, index)))
            self.written.append(Receive(item, source))
        self.written.append(Add(item, onto=block > 0))
        if block < len(wave.blocks) - 1:
            self.written.append(Send(item, (block + 1) % wave.ranks))
            posted[block, index] = self.used
        elif wave.owner(item.layer) == self.number:
            self.written.append(Apply(item, received=False))
            self.over.add(self.used)
            self.next_total = index + 1
        else:
            self.written.append(Send(item, wave.owner(item.layer), total=True))
            totals[index] = step + 1, self.used
        self.used += 1
        self.written += after
        if after and block + wave.ranks >= len(wave.blocks):
            self.backward_to = item.layer
        self.following = next(self.coming, None)
        return True

    def take_totals(self, ranks: Sequence["_Rank"], totals: dict[int, tuple[int, int]], step: int) -> bool:
        """Receive and apply what totals of own layers there are."""
        wave, taken = self.wave, False
        while self.next_total < len(wave.items):
            index = self.next_total
            item = wave.items[index]
            if wave.owner(item.layer) == self.number:
                if wave.holder == self.number or index not in totals or totals[index][0] > step:
                    break
                ranks[wave.holder].over.add(totals.pop(index)[1])
                self.written += [Receive(item, wave.holder, total=True), Apply(item, received=True)]
                taken = True
            self.next_total += 1
        return taken

    def broadcast(self) -> bool:
        """Take part in the broadcasts of the layers that are over here, from the last layer down."""
        took = False
        while (layer := self.next_broadcast) and self.backward_to <= layer:
            owner = self.wave.owner(layer)
            if owner == self.number and not self._applied(layer):
                break
            self.written.append(Broadcast(layer, owner))
            self.next_broadcast -= 1
            took = True
        return took

    def _applied(self, layer: int) -> bool:
        """Whether all totals of an own layer have been applied."""
        return self.next_total >= len(self.wave.items) or self.wave.items[self.next_total].layer < layer
