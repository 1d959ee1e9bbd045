"""The judge of what ranks do together: replays the lists of all, with few slots and sends that wait. No arrays here.

It accepts lists only if every rank reaches the end of its own, so a deadlock is a refused schedule and not a hang. A
send is taken to hold its slot until the other rank receives: no network buffers it. What a rank can do it can do later
too, whatever the others do meanwhile, so one order of replaying decides for all. It also refuses lists by which a sum
would not be that of all rows in order, or of all groups of rows as they are to be added up, or a layer would be used
after its new weights have come.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from checkpoint.errors import ScheduleError
from checkpoint.ranks.actions import Add, Apply, Begin, Broadcast, Merge, RankAction, Receive, Send
from checkpoint.ranks.items import Item
from checkpoint.ranks.sums import Mail, Sums
from checkpoint.ranks.wave import Wave
from checkpoint.schedule.actions import Action, Backward
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.holding import Holding, Refused


@dataclass(frozen=True, slots=True)
class Replay:
    """What ranks take in a step: each one's peak above rest and the values that it sends, rank 0 first.

    The new weights that a rank broadcasts count as sent once. `host_bytes` are the most that each offloads at once.
    """

    peak_bytes: tuple[int, ...]
    sent_values: tuple[int, ...]
    host_bytes: tuple[int, ...]


def replay(wave: Wave, lists: Sequence[Sequence[RankAction]], chain: Chain) -> Replay:
    """What the ranks take by `lists`, one a rank, on mini-batches of `chain`; raises `ScheduleError` for wrong ones."""
    if len(lists) != wave.ranks:
        raise ScheduleError(f"there must be a list of actions for each of {wave.ranks} ranks; got {len(lists)}")
    mail = Mail(wave.whole_sum)
    ranks = [_Replayed(wave, number, actions, chain, mail) for number, actions in enumerate(lists)]
    while any(rank.position < len(rank.actions) for rank in ranks):
        if sum(rank.go_on() for rank in ranks) == 0:
            raise ScheduleError(f"deadlock: {'; '.join(rank.waiting for rank in ranks if rank.waiting)}")
    if mail.sums:
        (sender, receiver, *_, item), *_ = mail.sums
        raise ScheduleError(f"rank {receiver} never receives item {item} of rank {sender}")
    for rank in ranks:
        rank.check_end()
    return Replay(
        tuple(rank.peak_bytes for rank in ranks),
        tuple(rank.sent_values + rank.sums.sent_values for rank in ranks),
        tuple(rank.host_bytes for rank in ranks),
    )


class _Replayed:
    """One rank: where it is in its list, what it holds, and what its slots hold."""

    def __init__(self, wave: Wave, number: int, actions: Sequence[RankAction], chain: Chain, mail: Mail) -> None:
        self.wave, self.number, self.actions, self.chain = wave, number, actions, chain
        self.position = self.peak_bytes = self.host_bytes = 0
        sends_seeds = wave.seeded and number != 0
        self.sent_values = sum(i.values for i in wave.items if sends_seeds and wave.owner(i.layer) == number)
        self.sums = Sums(number, wave.slots, mail)
        self.block: int | None = None
        self.holding: Holding | None = None
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
                return self.sums.receive(action)
            case Add():
                return self.add(action)
            case Merge():
                self.sums.merge(action)
            case Send():
                self.sums.send(action)
            case Apply():
                self.apply(action)
            case Broadcast():
                self.broadcast(action)
            case _:
                self.own(action)
        return True

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
            items = [item for item in self.wave.items if item.layer == action.layer]
            spans = () if self.block is None else self.wave.spans[self.block]
            expected = [item for item in items for _ in spans]
            if self.added != expected:
                raise Refused(f"{len(self.added)} of {len(expected)} items of layer {action.layer} have been added")
            self.added = []
        peak, _ = self.holding.take(action)
        self.peak_bytes = max(self.peak_bytes, peak)
        self.host_bytes = max(self.host_bytes, self.holding.host.peak_bytes)

    def add(self, action: Add) -> bool:
        if self.block is None:
            raise Refused("no block has begun")
        if action.item.layer in self.changed:
            raise Refused(f"the new weights of layer {action.item.layer} have come; it must not be used any more")
        spans = self.wave.spans[self.block]
        if not 0 <= action.span < len(spans):
            raise Refused(f"block {self.block} has rows of {len(spans)} groups")
        added = self.sums.add(action, spans[action.span])
        self.added += [action.item] if added else []
        return added

    def apply(self, action: Apply) -> None:
        self.sums.apply(action)
        if self.wave.owner(action.item.layer) != self.number:
            raise Refused(f"rank {self.wave.owner(action.item.layer)} owns layer {action.item.layer}")
        if action.item in self.applied:
            raise Refused("it has been applied before")
        self.applied.append(action.item)

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
            self.sent_values += sum(item.values for item in applied) if self.wave.ranks > 1 else 0
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
        if len(self.changed) != self.wave.schedule.n_layers or self.sums.are_left:
            raise ScheduleError(f"rank {self.number}: the new weights of all layers have not been shared")
