"""What a rank does beside the actions of its own schedule: pass sums on, apply totals, and share new weights.

No arrays here. A rank's list holds `Begin` for each of its row blocks, then the block's actions, with `Add` for each
item of a layer before the layer's `Backward`. Slots are the arrays that items lie in, used in turn: each `Add` takes
one, by itself or with what `Receive` brings, and whoever takes the item over frees it. A total that arrives has a slot
of its own.
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
    """Wait for an item of rank `peer`: the sum over the blocks so far or, as `total`, over all of them."""

    item: Item
    peer: int
    total: bool = False

    def __str__(self) -> str:
        return f"R{self.item}{'=' if self.total else ''}<{self.peer}"


@dataclass(frozen=True, slots=True)
class Add:
    """Make the item of the block at hand: add it `onto` what was received or, in the first block, write it."""

    item: Item
    onto: bool

    def __str__(self) -> str:
        return f"A{self.item}"


@dataclass(frozen=True, slots=True)
class Send:
    """Hand an item to rank `peer`, without waiting: its slot is free once it has been received there."""

    item: Item
    peer: int
    total: bool = False

    def __str__(self) -> str:
        return f"S{self.item}{'=' if self.total else ''}>{self.peer}"


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


RankAction = Begin | Receive | Add | Send | Apply | Broadcast | Action
