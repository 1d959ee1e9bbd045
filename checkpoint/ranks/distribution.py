"""Writes what each rank does in a step, around the actions of one schedule. No arrays here.

The wave: for each item the rank of block k receives the sum of blocks 0 to k - 1, adds its own rows onto it, and
passes it on. Whoever has the last block has the total and hands it to the layer's owner, which applies it and
broadcasts the new weights. The sum is made in the order of one process, so its bits are those of one process. Where
rows are in groups there is a wave in each, and what they end with is merged as `checkpoint.ranks.groups` says.

The lists are those of one run of all ranks, taken step by step: in each, a rank that can do so adds one item, and takes
what totals have arrived. So no deadlock is in them as they stand; `checkpoint.ranks.replay` judges them all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from checkpoint.errors import ScheduleError
from checkpoint.ranks.actions import Add, Apply, Begin, Broadcast, Merge, RankAction, Receive, Send
from checkpoint.ranks.groups import Span, level_of
from checkpoint.ranks.items import Item
from checkpoint.ranks.wave import Wave
from checkpoint.schedule.actions import Backward


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
    mail = _Mail()
    step = 0
    while not all(rank.is_done for rank in ranks):
        step += 1
        moved = False
        mail.arrived = set(mail.sums)  # in an earlier step
        for rank in ranks:
            moved |= rank.take_totals(ranks, mail.totals, step)
            moved |= rank.add(ranks, mail, step)
            moved |= rank.broadcast()
        if not moved:
            raise ScheduleError("the ranks wait for each other: no rank can go on")
    return [rank.written for rank in ranks]


@dataclass(slots=True)
class _Mail:
    """What has been sent and not received, by the index of its item: sums by span, and totals.

    Of a sum, the use of a slot that it is there; of a total also the step in which its owner may receive it.
    """

    sums: dict[tuple[int, int], int] = field(default_factory=dict)
    arrived: set[tuple[int, int]] = field(default_factory=set)
    totals: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Addition:
    """What is added next: the item of number `index`, of a span; with the own actions before it and after it."""

    index: int
    place: int
    span: Span
    before: list[RankAction]
    after: list[RankAction]


@dataclass(slots=True)
class _Rank:
    """One rank as the lists are written: what it still has to do, and which of its uses of slots are over.

    Slots are used in turn: use u of them is of slot u mod `wave.slots`. `held` are the arrays of sums that wait, by
    group.
    """

    wave: Wave
    number: int
    written: list[RankAction] = field(default_factory=list)
    used: int = 0
    over: set[int] = field(default_factory=set)
    held: dict[int, int] = field(default_factory=dict)
    coming: Iterator[_Addition] = field(init=False)
    following: _Addition | None = field(init=False)
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

    def _additions(self) -> Iterator[_Addition]:
        """Each addition of this rank."""
        by_layer: dict[int, list[int]] = {}
        for index, item in enumerate(self.wave.items):
            by_layer.setdefault(item.layer, []).append(index)
        for block in range(self.number, len(self.wave.blocks), self.wave.ranks):
            before: list[RankAction] = [Begin(block)]
            spans = self.wave.spans[block]
            for action in self.wave.schedule.actions:
                if not isinstance(action, Backward):
                    before.append(action)
                    continue
                indices = by_layer[action.layer]
                for index in indices:
                    for place, span in enumerate(spans):
                        is_last = index == indices[-1] and span is spans[-1]
                        yield _Addition(index, place, span, before, [action] if is_last else [])
                        before = []

    def add(self, ranks: Sequence["_Rank"], mail: _Mail, step: int) -> bool:
        """Do the next addition, where the sums for it have arrived and a slot is free."""
        if self.following is None:
            return False
        index, place, span = self.following.index, self.following.place, self.following.span
        wave, item = self.wave, self.wave.items[index]
        wanted = [(span.number - 1, index)] if not span.begins else []
        wanted += [(wave.makers[group], index) for group, _ in span.arrivals]
        if not (span.stays or self.has_slot) or not mail.arrived.issuperset(wanted):
            return False
        self.written += self.following.before
        if not span.begins:
            self._take(ranks, mail, item, wanted[0], wave.source(span.block - 1), level=None)
        held = min(set(range(len(self.held) + 1)) - set(self.held.values())) if span.stays else None
        self.written.append(Add(item, onto=not span.begins, span=place, held=held))
        for group, block in span.merges:
            if block != span.block:
                self._take(ranks, mail, item, (wave.makers[group], index), wave.source(block), level=level_of(group))
            self.written.append(Merge(item, self.held.pop(group, None)))
        if held is not None:
            self.held[span.group] = held
        else:
            self._hand_over(mail, index, span, step)
            self.used += 1
        self.written += self.following.after
        if self.following.after and span.block + wave.ranks >= len(wave.blocks):
            self.backward_to = item.layer
        self.following = next(self.coming, None)
        return True

    def _take(
        self,
        ranks: Sequence["_Rank"],
        mail: _Mail,
        item: Item,
        key: tuple[int, int],
        source: int,
        *,
        level: int | None,
    ) -> None:
        """Receive a sum that has been sent, whose slot is free there."""
        ranks[source].over.add(mail.sums.pop(key))
        self.written.append(Receive(item, source, level=level))

    def _hand_over(self, mail: _Mail, index: int, span: Span, step: int) -> None:
        """Send the item in hand to whoever needs it, or apply it."""
        wave, item = self.wave, self.wave.items[index]
        if span.to is not None:
            level = level_of(span.group) if span.ends else None
            self.written.append(Send(item, wave.source(span.to), level=level))
            mail.sums[span.number, index] = self.used
        elif wave.owner(item.layer) == self.number:
            self.written.append(Apply(item, received=False))
            self.over.add(self.used)
            self.next_total = index + 1
        else:
            self.written.append(Send(item, wave.owner(item.layer), total=True))
            mail.totals[index] = step + 1, self.used

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
