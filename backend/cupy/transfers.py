"""Offloading from a card: pinned memory of the host, and copies on a stream of their own, beside the computing one.

The copying stream and the current one, which computes, wait for each other by events; the host waits for neither. CuPy
is imported when a `CupyTransfers` is made.
"""

import mmap
from typing import Any

from backend.base import Backend
from backend.errors import TransferError
from backend.transfers import Block, Ticket, Transfers


class CupyTransfers(Transfers):
    """Pinned blocks for the arrays of `backend`, a `CupyBackend`.

    CuPy's own pool of pinned memory rounds up to powers of two; these blocks are of whole pages.
    """

    place = "the host's pinned memory"

    def __init__(self, backend: Backend) -> None:
        import cupy

        super().__init__()
        self._cupy, self._device = cupy, backend.device
        with self._device:
            self._stream = cupy.cuda.Stream(non_blocking=True)

    def out(self, a: Any) -> Ticket:
        with self._device:
            ticket = Ticket(self._take(a.nbytes), a.nbytes)
            self._follow_computing()
            a.data.copy_to_host_async(ticket.block.start, a.nbytes, self._stream)
            ticket.pending = self._mark(self._stream)
        return ticket

    def back(self, ticket: Ticket, a: Any) -> None:
        with self._device:
            self._follow_computing()
            a.data.copy_from_host_async(ticket.block.start, a.nbytes, self._stream)
            ticket.pending = self._mark(self._stream)
        self._give(ticket)

    def before_use(self, ticket: Ticket) -> None:
        if ticket.pending is not None:
            with self._device:
                self._cupy.cuda.get_current_stream().wait_event(ticket.pending)
            ticket.pending = None

    def before_release(self, ticket: Ticket) -> None:
        self.before_use(ticket)

    def close(self) -> None:
        with self._device:
            self._stream.synchronize()
        self._idle.clear()
        self.held_bytes = 0

    def _follow_computing(self) -> None:
        """Let copies that are begun from now on wait for what is being computed."""
        self._stream.wait_event(self._mark(self._cupy.cuda.get_current_stream()))

    def _wait_for_all(self) -> None:
        with self._device:
            self._cupy.cuda.get_current_stream().wait_event(self._mark(self._stream))

    def _mark(self, stream: Any) -> Any:
        event = self._cupy.cuda.Event(disable_timing=True)
        event.record(stream)
        return event

    def _new_block(self, size: int) -> Block:
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            memory = self._cupy.cuda.PinnedMemory(pages)
        except self._cupy.cuda.runtime.CUDARuntimeError as error:
            raise TransferError(
                f"no {pages:,} bytes of the host's memory could be pinned to offload to, beside {self.held_bytes:,} "
                f"that are; give a larger budget, or a smaller batch ({error})"
            ) from None
        self.held_bytes += pages
        return Block(memory.ptr, pages, memory)

    def _drop_block(self, block: Block) -> None:
        self._stream.synchronize()  # the last copy from it may be under way
        self.held_bytes -= block.size
