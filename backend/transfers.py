"""Arrays copied out of a device's memory and back while it computes: the interface, and which place is whose.

A copy is begun by one call and waited for by another, as late as correctness allows. Four orders must be kept, and each
has its line in a class of `Transfers`: a copy out begins after what made the array; the array's memory is handed on
after the copy out; a copy in begins after what used its memory before; and the array is used after the copy in.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.base import Array, Backend
from backend.errors import OffloadError

HOST = "host"
"""The place that a card's arrays are offloaded to: the host's memory, pinned."""


@dataclass(slots=True)
class Block:
    """A piece of the place: `start` in it, and so many bytes; `memory` is what it keeps alive, if anything."""

    start: int
    size: int
    memory: Any = None


@dataclass(slots=True)
class Ticket:
    """One array's way out and back. `pending` is the copy that was begun last, None once it has been waited for.

    `there` until the way back is begun.
    """

    block: Block
    size: int
    pending: Any = None
    there: bool = True


class Transfers(ABC):
    """A place for arrays outside the device's memory. One thread's, and one network's: blocks are kept for its steps.

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
        """Begin to copy `a`, C-contiguous, to the place; it must stay as it is until `before_release`."""

    @abstractmethod
    def back(self, ticket: Ticket, a: Array) -> None:
        """Begin to copy what went out with `ticket` to `a`, of the same shape; its place there is free from now on."""

    @abstractmethod
    def before_use(self, ticket: Ticket) -> None:
        """What is computed from now on may use the array that came back with `ticket`."""

    @abstractmethod
    def before_release(self, ticket: Ticket) -> None:
        """What is computed from now on may use the memory of the array that went out, or came back, with `ticket`."""

    def settle(self, tickets: Iterable[Ticket]) -> None:
        """The same for all of `tickets`, whose blocks are free from now on: for a step that ended before its time."""
        self._wait_for_all()
        for ticket in tickets:
            if ticket.there:
                self._give(ticket)

    @abstractmethod
    def _wait_for_all(self) -> None:
        """`before_release` for whatever is under way; never raises for a copy that failed."""

    @abstractmethod
    def close(self) -> None:
        """Give the place back. Nothing may be under way."""

    # Blocks: a step asks for the same ones each time, so those that are idle are handed out again. All copies are
    # made in the order in which they were begun, so a block may be handed out while the last copy from it runs.

    @abstractmethod
    def _new_block(self, size: int) -> Block:
        """A block of at least `size` bytes; it counts for `held_bytes`. Raises `TransferError` where there is none."""

    @abstractmethod
    def _drop_block(self, block: Block) -> None:
        """Give an idle block back, if the place can do so."""

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


def open_transfers(backend: Backend, place: str | Path) -> Transfers:
    """Where a network on `backend` offloads to: "host" for cupy, the path of a file or a folder for numpy.

    Raises `OffloadError` for any other pair, and for a path that cannot be written to.
    """
    check_place(backend.name, place)
    if backend.name == "cupy":
        from backend.cupy.transfers import CupyTransfers

        return CupyTransfers(backend)
    from backend.numpy.transfers import FileTransfers

    return FileTransfers(Path(place))


def check_place(backend: str, place: str | Path) -> None:
    """Raise `OffloadError` unless arrays of the backend called `backend` can be offloaded to a place of this kind."""
    if not str(place):
        raise OffloadError("the place to offload to is empty; give host or a path")
    if backend == "cupy":
        if str(place) != HOST:
            raise OffloadError(f"cupy offloads to the host's memory, not to {str(place)!r}; give {HOST!r}")
    elif backend != "numpy":
        raise OffloadError(f"the {backend} backend cannot offload; choose numpy or cupy")
    elif str(place) == HOST:
        raise OffloadError("numpy's arrays are in the host's memory already; give the path of a file or a folder")
