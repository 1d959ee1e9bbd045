"""Bounded reading: opens regular files only, and reads exactly the bytes promised. Knows no format.

Data files are untrusted. Memory grows with the bytes that really arrive, never with what a header says will come.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO, Protocol

from mlp.data.errors import DamagedDataError, OversizedDataError, UnreadableDataError

CHUNK_BYTES = 2**18
# MNIST is 55 MB; its largest relatives are below 700 MB. A header that promises more is wrong or an attack.
MAX_DATA_BYTES = 2**30


class Readable(Protocol):
    """Anything that returns up to `n_bytes` bytes, and b"" only at its end."""

    def read(self, n_bytes: int, /) -> bytes: ...


def quoted(path: Path) -> str:
    """`path` as error messages show it."""
    return repr(str(path))


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for reading, as a context manager. UnreadableDataError where it isn't a readable file.

    A named pipe or a device is refused before it's opened, since opening alone may block or have an effect.
    """
    try:
        mode = kind_of(path)
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
            raise UnreadableDataError(f"{quoted(path)}: wanted a file, found {kind}", path=str(path))
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise _unreadable(path, error) from error


def kind_of(path: Path) -> int:
    """The mode bits of what `path` names, links followed. Raises UnreadableDataError."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL, or characters that no file name can have
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError | ValueError) -> UnreadableDataError:
    reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return UnreadableDataError(
        f"{quoted(path)}: can't be read ({reason}); check the path and its permissions", path=str(path)
    )


def promised_bytes(shape: tuple[int, ...], item_bytes: int, *, limit_bytes: int, where: str) -> int:
    """The bytes of data that a header promises. Called before anything is read.

    Raises OversizedDataError where that is more than may be read. An array without values is judged as if its empty
    dimensions were of size 1, since NumPy makes none whose other dimensions span more than memory has addresses.
    """
    spanned = prod(max(size, 1) for size in shape) * item_bytes
    if spanned > limit_bytes:
        raise OversizedDataError(
            f"{where}: the header promises {spanned} bytes, the limit is {limit_bytes}; "
            "give a smaller data set, or an undamaged file",
            promised_bytes=spanned,
            limit_bytes=limit_bytes,
        )
    return prod(shape) * item_bytes


def read_exactly(stream: Readable, n_bytes: int, *, where: str) -> bytearray:
    """The next `n_bytes` bytes of `stream`, as one buffer. DamagedDataError where it ends before."""
    data = bytearray()
    while len(data) < n_bytes:
        piece = stream.read(min(CHUNK_BYTES, n_bytes - len(data)))
        if not piece:
            raise DamagedDataError(
                f"{where}: wanted {n_bytes} bytes, the file ends after {len(data)}; it's cut short, get it again"
            )
        data += piece
    return data
