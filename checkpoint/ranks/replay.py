"""The judge of what ranks do together: replays the lists of all, with few slots and sends that wait. No arrays here.

It accepts lists only if every rank reaches the end of its own, so a deadlock is a refused schedule and not a hang. A
send is taken to hold its slot until the other rank receives: no network buffers it. What a rank can do it can do later
too, whatever the others do meanwhile, so one order of replaying decides for all. It also refuses lists by which a sum
would not be that of all blocks in order, or a layer would be used after its new weights have come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from checkpoint.errors import ScheduleError
from checkpoint.ranks.actions import Add, Apply, Begin, Broadcast, RankAction, Receive, Send
from checkpoint.ranks.distribution import Wave
from checkpoint.ranks.items import Item
from checkpoint.schedule.actions import Action, Backward
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.holding import Holding, Refused


@dataclass(frozen=True, slots=True)
class Replay:
    """What ranks take in a step: each one's peak above rest and the values that it sends, rank 0 first.

    The new weights that a rank broadcasts count as sent once.
    """

    peak_bytes: tuple[int, ...]
    sent_values: tuple[int, ...]


def replay(wave: Wave, lists: Sequence[Sequence[RankAction]], chain: Chain) -> Replay:
    """What the ranks take by `lists`, one a rank, on mini-batches of `chain`; raises `ScheduleError` for wrong ones."""
    if len(lists) != wave.ranks:
        raise ScheduleError(f"there must be a list of actions for each of {wave.ranks} ranks; got {len(lists)}")
    mail = _Mail()
    ranks = [_Replayed(wave, number, actions, chain, mail) for number, actions in enumerate(lists)]
    while any(rank.position < len(rank.actions) for rank in ranks):
        if sum(rank.go_on() for rank in ranks) == 0:
            raise ScheduleError(f"deadlock: {'; '.join(rank.waiting for rank in ranks if rank.waiting)}")
    if mail.sums:
        (sender, receiver, _, item), *_ = mail.sums
        raise ScheduleError(f"rank {receiver} never receives item {item} of rank {sender}")
    for rank in ranks:
        rank.check_end()
    return Replay(tuple(rank.peak_bytes for rank in ranks), tuple(rank.sent_values for rank in ranks))


@dataclass(slots=True)
class _Mail:
    """What has been sent and not received, by sender, receiver, whether it is a total, and item.

    Of each: the blocks in the sum, and which of the sender's uses of a slot it is. `over` are the uses that others have
    ended, with the rank.
    """

    sums: dict[tuple[int, int, bool, Item], tuple[tuple[int, ...], int]] = field(default_factory=dict)
    over: set[tuple[int, int]] = field(default_factory=set)


class _Replayed:
    """One rank: where it is in its list, what it holds, and what its slots hold."""

    def __init__(self, wave: Wave, number: int, actions: Sequence[RankAction], chain: Chain, mail: _Mail) -> None:
        self.wave, self.number, self.actions, self.chain, self.mail = wave, number, actions, chain, mail
        self.position = self.peak_bytes = 0
        sends_seeds = wave.seeded and number != 0
        self.sent_values = sum(i.values for i in wave.items if sends_seeds and wave.owner(i.layer) == number)
        self.used = 0  # slots are used in turn
        self.block: int | None = None
        self.holding: Holding | None = None
        self.slot: tuple[Item, tuple[int, ...]] | None = None  # the sum that is in hand
        self.total: tuple[Item, tuple[int, ...]] | None = None
        self.added: list[Item] = []  # of the layer that is going backward
        self.applied: list[Item] = []
        self.done: list[int] = []
        self.changed: list[int] = []  # layers whose new weights have come or are coming

    @property
    def waiting(self) -> str:
        """What this rank waits for; nothing at the end of its list."""
        if self.position == len(self.actions):
            return ""
        return f"rank {self.number} waits at action {self.position}, {self.actions[self.position]}"

    def go_on(self) -> bool:
        """Do what can be done; returns whether there was anything."""
        begun = self.position
        while self.position < len(self.actions):
            action = self.actions[self.position]
            try:
                if not self.take(action):
                    break
            except Refused as refusal:
                where = f"rank {self.number}: {refusal}"
                raise ScheduleError(where, position=self.position, action=action) from None
            self.position += 1
        return self.position > begun

    def take(self, action: RankAction) -> bool:
        """Do one action; False where it has to wait."""
        match action:
            case Begin():
                self.begin(action.block)
            case Receive():
                return self.receive(action)
            case Add():
                return self.add(action)
            case Send():
                self.send(action)
            case Apply():
                self.apply(action)
            case Broadcast():
                self.broadcast(action)
            case _:
                self.own(action)
        return True

    @property
    def has_slot(self) -> bool:
        return self.used < self.wave.slots or (self.number, self.used - self.wave.slots) in self.mail.over

    def begin(self, block: int) -> None:
        self.end_block()
        expected = self.number + len(self.done) * self.wave.ranks
        if block != expected or block >= len(self.wave.blocks):
            raise Refused(f"block {block} is not its next, which is {expected}")
        start, stop = self.wave.blocks[block]
        self.block, self.holding = block, Holding(self.chain.micro_batch(stop - start))

    def end_block(self) -> None:
        if self.holding is None or self.block is None:
            return
        unfinished = self.holding.unfinished_layer()
        if unfinished is not None:
            raise Refused(f"layer {unfinished} has not gone backward in block {self.block}")
        self.done.append(self.block)
        self.block, self.holding = None, None

    def own(self, action: Action) -> None:
        """An action of the block's own schedule."""
        if self.holding is None:
            raise Refused("no block has begun")
        if action.layer in self.changed:
            raise Refused(f"the new weights of layer {action.layer} have come; it must not be used any more")
        if isinstance(action, Backward):
            expected = [item for item in self.wave.items if item.layer == action.layer]
            if self.added != expected:
                raise Refused(f"{len(self.added)} of {len(expected)} items of layer {action.layer} have been added")
            self.added = []
        peak, _ = self.holding.take(action)
        self.peak_bytes = max(self.peak_bytes, peak)

    def receive(self, action: Receive) -> bool:
        held = self.total if action.total else self.slot
        if held is not None:
            raise Refused(f"item {held[0]} is in hand still")
        key = (action.peer, self.number, action.total, action.item)
        if key not in self.mail.sums or (not action.total and not self.has_slot):
            return False
        blocks, use = self.mail.sums.pop(key)
        self.mail.over.add((action.peer, use))
        if action.total:
            self.total = action.item, blocks
        else:
            self.used += 1
            self.slot = action.item, blocks
        return True

    def add(self, action: Add) -> bool:
        if self.block is None:
            raise Refused("no block has begun")
        if action.item.layer in self.changed:
            raise Refused(f"the new weights of layer {action.item.layer} have come; it must not be used any more")
        if action.onto and (self.slot is None or self.slot[0] != action.item):
            raise Refused("the sum to add onto has not been received")
        if not action.onto:
            if self.slot is not None:
                raise Refused(f"item {self.slot[0]} is in hand still")
            if not self.has_slot:
                return False
            self.used += 1
            self.slot = action.item, ()
        blocks = () if self.slot is None else self.slot[1]
        if blocks != tuple(range(self.block)):
            raise Refused(f"the sum has blocks {blocks}; block {self.block} comes after 0 to {self.block - 1}")
        self.slot = action.item, (*blocks, self.block)
        self.added.append(action.item)
        return True

    def send(self, action: Send) -> None:
        if self.slot is None or self.slot[0] != action.item:
            raise Refused("the item is not in hand")
        key = (self.number, action.peer, action.total, action.item)
        if key in self.mail.sums:
            raise Refused("the same item has been sent and not received")
        self.mail.sums[key] = self.slot[1], self.used - 1
        self.sent_values += action.item.values
        self.slot = None

    def apply(self, action: Apply) -> None:
        held = self.total if action.received else self.slot
        if held is None or held[0] != action.item:
            raise Refused("the item is not in hand")
        if held[1] != tuple(range(len(self.wave.blocks))):
            raise Refused(f"its sum has blocks {held[1]}, not all {len(self.wave.blocks)}")
        if self.wave.owner(action.item.layer) != self.number:
            raise Refused(f"rank {self.wave.owner(action.item.layer)} owns layer {action.item.layer}")
        if action.item in self.applied:
            raise Refused("it has been applied before")
        self.applied.append(action.item)
        if action.received:
            self.total = None
        else:
            self.slot = None
            self.mail.over.add((self.number, self.used - 1))

    def broadcast(self, action: Broadcast) -> None:
        layer = action.layer
        below = self.changed[-1] if self.changed else self.wave.schedule.n_layers + 1
        if layer != below - 1 or action.owner != self.wave.owner(layer):
            raise Refused(f"all ranks must share weights in one order, layer {below - 1} of its owner next")
        if any(item.layer == layer for item in self.added):
            raise Refused(f"layer {layer} is still going backward")
        if action.owner == self.number:
            applied = [item for item in self.applied if item.layer == layer]
            if len(applied) < sum(item.layer == layer for item in self.wave.items):
                raise Refused(f"only {len(applied)} items of layer {layer} have been applied")
            self.sent_values += sum(item.values for item in applied)
        self.changed.append(layer)

    def check_end(self) -> None:
        """Raise `ScheduleError` unless this rank has done all that is its."""
        try:
            self.end_block()
        except Refused as refusal:
            raise ScheduleError(f"rank {self.number}: {refusal}") from None
        expected = list(range(self.number, len(self.wave.blocks), self.wave.ranks))
        if self.done != expected:
            raise ScheduleError(f"rank {self.number}: blocks {self.done} are done, not {expected}")
        if len(self.changed) != self.wave.schedule.n_layers or self.slot is not None or self.total is not None:
            raise ScheduleError(f"rank {self.number}: the new weights of all layers have not been shared")
