"""Memory straight from the operating system, which neither NumPy's allocator nor its meter knows of."""

import mmap
import sys
from contextlib import suppress

LARGE_BYTES = 2**22
"""From this size on, large pages are asked for, as NumPy does: looking up addresses of small ones takes time."""


def pages(size: int) -> mmap.mmap:
    """At least `size` bytes of zeros, at the beginning of a page. Raises `MemoryError` where there are no more."""
    try:
        if sys.platform == "win32":
            return mmap.mmap(-1, max(size, 1))
        memory = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"Unable to allocate {size:,} bytes for the arena: {error.strerror or error}") from None
    if size >= LARGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
