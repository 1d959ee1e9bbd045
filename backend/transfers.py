"""Arrays copied out of a device's memory and back while it computes: the interface. `backend.places` opens one.

One call begins a copy and another waits for it, as late as correctness allows. Four orders must be kept, and each has
its line in every `Transfers`: a copy out begins after the work that made the array; the array's memory is reused after
the copy out; a copy in begins after the work that used its memory before; the array is used after the copy in.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Array = Any
"""An array of the backend that offloads."""


@dataclass(slots=True)
class Block:
    """A piece of the place: its start, and its size in bytes; `memory` is an object that keeps it alive, if any."""

    start: int
    size: int
    memory: Any = None


@dataclass(slots=True)
class Ticket:
    """One array's way out and back.

    `pending` is the copy begun last, None once it has been waited for. `there` is true until the way back begins.
    """

    block: Block
    size: int
    pending: Any = None
    there: bool = True


class Transfers(ABC):
    """A place for arrays outside the device's memory, for one thread and one network; blocks are kept for its steps.

    `asked_bytes` is the most that arrays took there at once, `held_bytes` what the place takes for them now.
    """

    place = ""
    """What the place is called, for reports."""

    def __init__(self) -> None:
        self.asked_bytes = self.held_bytes = 0
        self._now_bytes = 0
        self._idle: list[Block] = []

    @abstractmethod
    def out(self, a: Array) -> Ticket:
        """Begin to copy `a`, C-contiguous, to the place; it must not change until `before_release`."""

    @abstractmethod
    def back(self, ticket: Ticket, a: Array) -> None:
        """Begin to copy what went out with `ticket` to `a`, of the same shape; its block is idle from now on."""

    @abstractmethod
    def before_use(self, ticket: Ticket) -> None:
        """Work begun from now on may use the array that came back with `ticket`."""

    @abstractmethod
    def before_release(self, ticket: Ticket) -> None:
        """Work begun from now on may reuse the memory of the array that went out, or came back, with `ticket`."""

    def settle(self, tickets: Iterable[Ticket]) -> None:
        """`before_release` for all of `tickets`, whose blocks are idle from now on: for a step that ended early."""
        self._wait_for_all()
        for ticket in tickets:
            if ticket.there:
                self._give(ticket)

    @abstractmethod
    def _wait_for_all(self) -> None:
        """`before_release` for every copy under way; never raises for a copy that failed."""

    @abstractmethod
    def close(self) -> None:
        """Free the place. No copy may be under way."""

    # Blocks. Each step asks for the same ones, so idle blocks are reused. Copies are made in the order in which they
    # were begun, so a block may be reused while the last copy from it runs.

    @abstractmethod
    def _new_block(self, size: int) -> Block:
        """A block of at least `size` bytes, counted in `held_bytes`. Raises `TransferError` where none can be had."""

    @abstractmethod
    def _drop_block(self, block: Block) -> None:
        """Free an idle block, where the place can do so."""

    def _take(self, size: int) -> Block:
        """The smallest idle block that is large enough, or a new one in place of the largest idle one."""
        fitting = [block for block in self._idle if block.size >= size]
        if fitting:
            block = min(fitting, key=lambda block: block.size)
            self._idle.remove(block)
        else:
            if self._idle:
                largest = max(self._idle, key=lambda block: block.size)
                self._idle.remove(largest)
                self._drop_block(largest)
            block = self._new_block(size)
        self._now_bytes += size
        self.asked_bytes = max(self.asked_bytes, self._now_bytes)
        return block

    def _give(self, ticket: Ticket) -> None:
        ticket.there = False
        self._idle.append(ticket.block)
        self._now_bytes -= ticket.size
