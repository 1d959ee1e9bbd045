"""The pages of a mapped file that a process has: few, however long the file, so that its resident set stays small.

Pages that were read stay in the process until the system needs them, and count as its memory until then. They are let
go of as it goes; the system keeps the file in its cache, from where the next read has them.
"""

import mmap
from typing import Any

MOST_BYTES = 2**25
"""About as many bytes of pages stay."""

AROUND_BYTES = 2**21
"""The most that Linux maps with a page that is read: a huge page, where its cache has one."""


class MappedPages:
    """Counts what is read of `array`, and lets go of its pages; does nothing for an array that is not mapped."""

    def __init__(self, array: Any) -> None:
        under = getattr(array, "_mmap", None)
        known = hasattr(under, "madvise") and hasattr(mmap, "MADV_DONTNEED")
        self._map = under if known else None
        self._read_bytes = 0

    @property
    def places_at_once(self) -> int | None:
        """In how many places of the file to read before `read` is called; None where it does not matter."""
        return None if self._map is None else MOST_BYTES // AROUND_BYTES

    def read(self, n_bytes: int, *, places: int = 1) -> None:
        """`n_bytes` were read, in so many places of the file. Call it when nothing refers to them any more."""
        if self._map is None:
            return
        self._read_bytes += n_bytes + places * AROUND_BYTES
        if self._read_bytes > MOST_BYTES:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read_bytes = 0
