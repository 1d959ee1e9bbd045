"""Offloading from a GPU: pinned memory of the host, and copies beside the stream that computes.

CuPy is imported when a `CupyTransfers` is made.
"""

import mmap
from typing import Any

from backend.base import Backend
from backend.cupy.copying import CopyingStream
from backend.errors import TransferError
from backend.transfers import Block, Ticket, Transfers


class CupyTransfers(Transfers):
    """Pinned blocks, of whole pages, for the arrays of `backend`, a `CupyBackend`."""

    place = "the host's pinned memory"

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._copies = CopyingStream(backend.device)

    def out(self, a: Any) -> Ticket:
        self._copies.follow_computing()  # first, as it is what refuses where steps are recorded: no block is taken then
        ticket = Ticket(self._take(a.nbytes), a.nbytes)
        ticket.pending = self._copies.to_host(a, ticket.block.start)
        return ticket

    def back(self, ticket: Ticket, a: Any) -> None:
        self._copies.follow_computing()
        ticket.pending = self._copies.to_device(a, ticket.block.start)
        self._give(ticket)

    def before_use(self, ticket: Ticket) -> None:
        if ticket.pending is not None:
            self._copies.computing_follows(ticket.pending)
            ticket.pending = None

    def before_release(self, ticket: Ticket) -> None:
        self.before_use(ticket)

    def close(self) -> None:
        self._copies.synchronize()
        self._idle.clear()
        self.held_bytes = 0

    def _wait_for_all(self) -> None:
        self._copies.computing_follows()

    def _new_block(self, size: int) -> Block:
        from cupy.cuda.runtime import CUDARuntimeError

        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            memory = self._copies.pinned(pages)
        except CUDARuntimeError as error:
            raise TransferError(
                f"cannot pin {pages:,} bytes of the host's memory to offload to, beside the {self.held_bytes:,} pinned "
                f"already; give a larger budget, or a smaller batch ({error})"
            ) from None
        self.held_bytes += pages
        return Block(memory.ptr, pages, memory)

    def _drop_block(self, block: Block) -> None:
        self._copies.synchronize()  # the last copy from it may be under way
        self.held_bytes -= block.size
