"""The velocities that sums begin with under plain momentum, as in one process: v := m v, then block after block.

The owner of a layer sends its velocities, item by item, to rank 0, which has the first row block. What comes back as
the total is the new velocity.
"""

from collections.abc import Callable, Iterable
from typing import Any

from checkpoint.execution.ranks.links.base import SEED, Link, Request
from checkpoint.ranks.items import Item
from mlp import Gradient
from mlp.overriding import is_as_written
from mlp.updated import Updated
from mlp.uptake import ONTO_VELOCITY, uptake_of


def are_wanted(network: Updated) -> bool:
    """Whether sums of this network's gradients begin with velocities."""
    plain = uptake_of(network.optimizer, network.backend.facts) == ONTO_VELOCITY
    return plain and is_as_written(network, ("apply_gradient",))


class Seeds:
    """The velocities of `network` in one step: `owner(layer)` is the rank that has those of a layer."""

    def __init__(self, network: Updated, link: Link, items: Iterable[Item], owner: Callable[[int], int]) -> None:
        self._network, self._link, self._items, self._owner = network, link, items, owner
        self._sent: dict[Item, list[Request]] = {}
        self.sent_bytes = 0

    def send(self) -> None:
        """Begin to send those of this rank's layers, in the order in which they are wanted."""
        for item in self._items:
            if self._owner(item.layer) == self._link.rank != 0:
                arrays = [a for a in self._own(item) if a is not None]
                self._sent[item] = [self._link.send(a, 0, SEED) for a in arrays]
                self.sent_bytes += sum(int(a.nbytes) for a in arrays)

    def put(self, item: Item, parts: tuple[Any, Any]) -> list[Request]:
        """Put an item's velocities into the arrays of its sum; they are there when the requests are over."""
        owner, requests = self._owner(item.layer), []
        for part, own in zip(parts, self._own(item) if owner == 0 else (None, None), strict=True):
            if part is not None and owner == 0:
                self._network.backend.set_(part, own)
            elif part is not None:
                requests.append(self._link.receive(part, owner, SEED))
        return requests

    def sent(self, item: Item) -> list[Request]:
        """The requests by which an item of this rank's was sent: its arrays are free when they are over."""
        return self._sent.pop(item, [])

    def take(self, total: Gradient) -> None:
        """Keep what a sum of an own layer has become as the velocity, and change the weights by it."""
        network, k, rows = self._network, total.layer - 1, slice(total.first, total.first + int(total.weight.shape[0]))
        (weight, bias), W, b = network.velocities[k], network.weights[k], network.biases[k]
        for w, v, new in ((W[rows, :], weight[rows, :], total.weight), (b, bias, total.bias)):
            if new is not None:
                network.backend.set_(v, new)
                network.backend.apply_gradient_(w, v, -1.0)  # w += v

    def _own(self, item: Item) -> tuple[Any, Any]:
        """The part of an own layer's velocity that an item is of: the weights', and the bias's or None."""
        weight, bias = self._network.velocities[item.layer - 1]
        return weight[item.first : item.first + item.rows, :], None if item.first else bias
