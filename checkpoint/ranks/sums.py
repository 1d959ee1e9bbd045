"""The judge's books of sums: what is under way between ranks, and what one rank's slots hold. No arrays here."""

from dataclasses import dataclass, field
from typing import Any

from checkpoint.ranks.actions import Add, Apply, Merge, Receive, Send
from checkpoint.ranks.groups import Span
from checkpoint.ranks.items import Item
from checkpoint.schedule.holding import Refused

Sum = tuple[Any, ...]
"""What is in a sum: the numbers of the spans of one group's rows in order, or two sums that were added up."""


@dataclass(slots=True)
class Mail:
    """What has been sent and not received, by sender, receiver, whether it is a total, level and item.

    Of each: the sum, and which of the sender's uses of a slot it is. `over` are the uses that others have ended, with
    the rank. `whole` is what a total has to be.
    """

    whole: object
    sums: dict[tuple[int, int, bool, int | None, Item], tuple[Sum, int]] = field(default_factory=dict)
    over: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True)
class Sums:
    """What the slots of rank `number` hold. There are `slots` of them, used in turn; other arrays come on top.

    Methods raise `Refused` for what is wrong, and return False for what has to wait.
    """

    number: int
    slots: int
    mail: Mail
    used: int = 0
    sent_values: int = 0
    in_hand: tuple[Item, Sum] | None = None
    array: int | None = None  # that the sum which is being made waits in
    waiting: dict[int, tuple[Item, Sum]] = field(default_factory=dict)
    merging: tuple[Item, Sum] | None = None  # the one that was received for it
    total: tuple[Item, Sum] | None = None

    @property
    def are_left(self) -> bool:
        """Whether any sum is here."""
        return bool(self.in_hand or self.waiting or self.merging or self.total)

    @property
    def has_slot(self) -> bool:
        """Whether the next slot is free."""
        return self.used < self.slots or (self.number, self.used - self.slots) in self.mail.over

    def receive(self, action: Receive) -> bool:
        """Take what another rank has sent."""
        merged = action.level is not None
        held = self.total if action.total else self.merging if merged else self.in_hand
        if held is not None:
            raise Refused(f"item {held[0]} is in hand still")
        key = (action.peer, self.number, action.total, action.level, action.item)
        in_slot = not (action.total or merged)
        if key not in self.mail.sums or (in_slot and not self.has_slot):
            return False
        found, use = self.mail.sums.pop(key)
        self.mail.over.add((action.peer, use))
        if action.total:
            self.total = action.item, found
        elif merged:
            self.merging = action.item, found
        else:
            self.used += 1
            self.in_hand, self.array = (action.item, found), None
        return True

    def add(self, action: Add, span: Span) -> bool:
        """Add the rows of `span`."""
        if action.onto and (self.in_hand is None or self.in_hand[0] != action.item):
            raise Refused("the sum to add onto has not been received")
        if not action.onto:
            if self.in_hand is not None:
                raise Refused(f"item {self.in_hand[0]} is in hand still")
            if action.held is None and not self.has_slot:
                return False
            if action.held in self.waiting:
                raise Refused(f"item {self.waiting[action.held][0]} waits in array {action.held} still")
            self.used += action.held is None
            self.in_hand, self.array = (action.item, ()), action.held
        found = () if self.in_hand is None else self.in_hand[1]
        if found != tuple(range(span.first, span.number)):
            there = "none" if span.begins else f"{span.first} to {span.number - 1}"
            raise Refused(f"the sum has blocks {found}; block {span.number} comes after {there}")
        self._have((action.item, (*found, span.number)))
        return True

    def merge(self, action: Merge) -> None:
        """Add up two sums that are here."""
        other = self.merging if action.held is None else self.waiting.pop(action.held, None)
        mine = self.in_hand if self.array is None else self.waiting.pop(self.array, None)
        if other is None or mine is None or other[0] != action.item or mine[0] != action.item:
            raise Refused("the sums to add up are not there")
        if action.held is None:
            self.merging = None
        self._have((action.item, (other[1], mine[1])))

    def _have(self, found: tuple[Item, Sum]) -> None:
        """Have the sum that is being made in hand, or where it waits."""
        self.in_hand = found if self.array is None else None
        if self.array is not None:
            self.waiting[self.array] = found

    def send(self, action: Send) -> None:
        """Hand on what is in hand."""
        if self.in_hand is None or self.in_hand[0] != action.item:
            raise Refused("the item is not in hand")
        key = (self.number, action.peer, action.total, action.level, action.item)
        if key in self.mail.sums:
            raise Refused("the same item has been sent and not received")
        self.mail.sums[key] = self.in_hand[1], self.used - 1
        self.sent_values += action.item.values
        self.in_hand = None

    def apply(self, action: Apply) -> None:
        """Use up a total."""
        held = self.total if action.received else self.in_hand
        if held is None or held[0] != action.item:
            raise Refused("the item is not in hand")
        if held[1] != self.mail.whole:
            raise Refused(f"its sum has blocks {held[1]}, not {self.mail.whole}")
        if action.received:
            self.total = None
        else:
            self.in_hand = None
            self.mail.over.add((self.number, self.used - 1))
