"""Offloading from the host's memory: a file, read and written by one thread beside the one that computes.

The file has no name once it is open, so nothing is left of it however the process ends. Its room is asked for before it
is written to: a full disk shows there. A forked process shares the file with its parent and does not have its thread,
so at its first copy it opens a file and starts a thread of its own.
"""

import ctypes
import os
import tempfile
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import OffloadError, TransferError
from backend.transfers import Block, Ticket, Transfers

MOST_BYTES = 2**30
"""One system call copies less than 2 GiB."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The open file and the thread of one process."""

    file: int
    executor: Executor
    process: int = field(default_factory=os.getpid)


class FileTransfers(Transfers):
    """Blocks of a file at `path`, which must not exist yet, or of one in the folder `path`.

    `executor` makes the copies, in the order in which they are submitted; one thread of our own, unless given.
    """

    def __init__(self, path: Path, *, executor: Executor | None = None) -> None:
        super().__init__()
        is_folder = os.path.isdir(path)  # noqa: PTH112 - Path's raises
        self.place = f"a file {'in' if is_folder else 'at'} {path}"
        self._path = path
        self._folder = (path if is_folder else path.parent).absolute()
        self._open(path, executor)

    def _open(self, path: Path, executor: Executor | None = None) -> None:
        file = _open_without_name(path)
        self._opened = _Opened(file, executor or ThreadPoolExecutor(1, thread_name_prefix="mlp-checkpointing-offload"))
        self._close = weakref.finalize(self, _close, self._opened)
        self._last: Future[None] | None = None

    def _open_in_fork(self) -> None:
        """In a forked process, before the first copy: open a file of its own, whose blocks no other process uses."""
        if self._opened.process == os.getpid():
            return
        self._close()
        self._idle.clear()
        self.held_bytes = self._now_bytes = 0
        self._open(self._folder)

    def _check_own(self, ticket: Ticket) -> None:
        """Raise `TransferError` for a ticket of the process that this one was forked from."""
        if ticket.block.memory is not self._opened or self._opened.process != os.getpid():
            raise TransferError(
                f"this process was forked during a step that offloads to {self._path}, and the arrays there are its "
                f"parent's; fork between steps"
            )

    def out(self, a: Any) -> Ticket:
        self._open_in_fork()
        ticket = Ticket(self._take(a.nbytes), a.nbytes)
        self._begin(os.pwritev, ticket, a)
        return ticket

    def back(self, ticket: Ticket, a: Any) -> None:
        self._check_own(ticket)
        self._begin(os.preadv, ticket, a)
        self._give(ticket)

    def before_use(self, ticket: Ticket) -> None:
        self._check_own(ticket)
        pending, ticket.pending = ticket.pending, None
        try:
            if pending is not None:
                pending.result()
        except OSError as error:
            raise self._failed(error) from None

    def before_release(self, ticket: Ticket) -> None:
        self.before_use(ticket)

    def close(self) -> None:
        self._close()
        self._idle.clear()
        self.held_bytes = 0

    def _begin(self, copy: Callable[..., int], ticket: Ticket, a: Any) -> None:
        # By address: a copy that has just ended must not hold on to an array whose bytes are counted.
        ticket.pending = self._opened.executor.submit(
            _copy, copy, self._opened.file, a.ctypes.data, a.nbytes, ticket.block.start
        )
        self._last = ticket.pending

    def _wait_for_all(self) -> None:
        if self._last is not None and self._opened.process == os.getpid():
            self._last.exception()

    def _new_block(self, size: int) -> Block:
        start = self.held_bytes
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._opened.file, start, size)
            else:
                os.ftruncate(self._opened.file, start + size)
        except OSError as error:
            raise self._failed(error) from None
        self.held_bytes += size
        return Block(start, size, self._opened)

    def _drop_block(self, block: Block) -> None:
        """Keep it idle: a file cannot be shortened in its middle."""
        self._idle.append(block)

    def _give(self, ticket: Ticket) -> None:
        if ticket.block.memory is self._opened:  # otherwise it is another process's
            super()._give(ticket)

    def _failed(self, error: OSError) -> TransferError:
        return TransferError(
            f"offloading to {self._path} failed with {self.held_bytes:,} bytes there: {error.strerror or error}; make "
            f"room, offload elsewhere, or give a larger budget"
        )


def _copy(copy: Callable[..., int], file: int, address: int, size: int, start: int) -> None:
    done = 0
    while done < size:
        part = min(size - done, MOST_BYTES)
        moved = copy(file, [(ctypes.c_char * part).from_address(address + done)], start + done)
        if moved <= 0:
            raise OSError("the file ended early")
        done += moved


def _open_without_name(path: Path) -> int:
    try:
        if path.is_dir():
            file, name = tempfile.mkstemp(prefix=".mlp-checkpointing-", dir=path)
        else:
            file, name = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), str(path)
        Path(name).unlink()
    except FileExistsError:
        raise OffloadError(
            f"cannot offload to {path}: it exists, and is not overwritten; name a folder or a new file"
        ) from None
    except OSError as error:
        raise OffloadError(f"cannot offload to {path}: {error.strerror or error}; choose another path") from None
    return file


def _close(opened: _Opened) -> None:
    if opened.process == os.getpid():  # a forked process has not the thread, and maybe a lock that it held
        opened.executor.shutdown()
    os.close(opened.file)
