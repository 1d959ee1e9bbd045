"""The activations of one step that are at the offload place, on their way there, or on their way back."""

from typing import Any

from backend import Transfers
from backend.transfers import Ticket
from checkpoint.errors import CheckpointError


class HostCopies:
    """The tickets of a step's copies, each waited for as late as is correct. Without `transfers` there are none."""

    def __init__(self, transfers: Transfers | None) -> None:
        self._transfers = transfers
        self._tickets: dict[int, Ticket] = {}

    def out(self, layer: int, array: Any) -> None:
        """Begin to copy a_layer, `array`, to the place."""
        self._tickets[layer] = self._there.out(array)

    def back(self, layer: int, array: Any) -> None:
        """Begin to copy a_layer from the place to `array`."""
        self._there.back(self._tickets[layer], array)

    def arrived(self, layer: int) -> bool:
        """Whether a_layer was on its way back until now. What is computed from now on may use it."""
        ticket = self._tickets.get(layer)
        if ticket is None or ticket.there:
            return False
        self._there.before_use(self._tickets.pop(layer))
        return True

    def before_release(self, layer: int) -> None:
        """Let what is computed from now on use the memory of a_layer."""
        ticket = self._tickets.get(layer)
        if ticket is not None:
            self._there.before_release(ticket)
            if not ticket.there:
                del self._tickets[layer]

    def end(self) -> None:
        """End the step: one that was given up leaves no copy under way."""
        if self._tickets:
            self._there.settle(self._tickets.values())
            self._tickets.clear()

    @property
    def _there(self) -> Transfers:
        if self._transfers is None:
            raise CheckpointError("the schedule offloads activations; say where to, with the network's offload")
        return self._transfers
