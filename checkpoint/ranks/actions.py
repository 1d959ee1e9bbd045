"""What a rank does beside the actions of its own schedule: pass sums on, apply totals, and share new weights.

No arrays here. A rank's list holds `Begin` for each of its row blocks, then the block's actions, with `Add` for each
item of a layer before the layer's `Backward`. Slots are the arrays that items lie in, used in turn: each `Add` takes
one, by itself or with what `Receive` brings, and whoever takes the item over frees it. A total that arrives has a slot
of its own, and so has a sum that is to be merged. Where rows are in groups, an item is added once for each group, and
sums may be held for others in arrays beside the slots.
"""

from dataclasses import dataclass

from checkpoint.ranks.items import Item
from checkpoint.schedule.actions import Action


@dataclass(frozen=True, slots=True)
class Begin:
    """The actions that follow are for row block `block` of the mini-batch."""

    block: int

    def __str__(self) -> str:
        return f"block {self.block}"


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for an item of rank `peer`: the sum over the blocks so far or, as `total`, over all of them.

    `level`: it is to be merged, and of this level among the sums of groups.
    """

    item: Item
    peer: int
    total: bool = False
    level: int | None = None

    def __str__(self) -> str:
        return f"R{self.item}{_mark(self)}<{self.peer}"


@dataclass(frozen=True, slots=True)
class Add:
    """Make the item of the block at hand: add it `onto` what was received or, where a sum begins, write it.

    It is that of the rows of the block's span number `span`, written to array `held` where the sum waits here.
    """

    item: Item
    onto: bool
    span: int = 0
    held: int | None = None

    def __str__(self) -> str:
        return f"A{self.item}{f'.{self.span}' if self.span else ''}"


@dataclass(frozen=True, slots=True)
class Merge:
    """Add the sum in array `held`, or the one that was received for it, to the one in hand; its array is free."""

    item: Item
    held: int | None

    def __str__(self) -> str:
        return f"M{self.item}"


@dataclass(frozen=True, slots=True)
class Send:
    """Hand an item to rank `peer`, without waiting: its slot is free once it has been received there.

    `total` and `level` are those of the `Receive` there.
    """

    item: Item
    peer: int
    total: bool = False
    level: int | None = None

    def __str__(self) -> str:
        return f"S{self.item}{_mark(self)}>{self.peer}"


@dataclass(frozen=True, slots=True)
class Apply:
    """Change the layer's weights by the total of an item, the one received or the one made last; its slot is free."""

    item: Item
    received: bool

    def __str__(self) -> str:
        return f"U{self.item}"


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Take part in handing out the new weights W_l of rank `owner`: from here on, layer l must not be used."""

    layer: int
    owner: int

    def __str__(self) -> str:
        return f"W{self.layer}<{self.owner}"


def _mark(action: Receive | Send) -> str:
    return "=" if action.total else "" if action.level is None else "+"


RankAction = Begin | Receive | Add | Merge | Send | Apply | Broadcast | Action
