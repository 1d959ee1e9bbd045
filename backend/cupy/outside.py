"""Device memory of this project's outside its pool, where it leaves the bytes of arrays exact: all of it by name."""

import threading
import weakref
from collections import Counter
from typing import Any

_counts: dict[int, Counter[str]] = {}
_counting = threading.Lock()


class OutsideMemory:
    """`size` bytes of device `number`, which is current, for what `name` says; freed with the last reference to it."""

    def __init__(self, number: int, name: str, size: int) -> None:
        import cupy

        self.memory: Any = cupy.cuda.Memory(size)
        self.ptr, self.size = int(self.memory.ptr), size
        count_outside(number, name, size)
        weakref.finalize(self, count_outside, number, name, -size)

    @property
    def pointer(self) -> Any:
        """CuPy's pointer to the memory, which does not count as a reference to this."""
        import cupy

        return cupy.cuda.MemoryPointer(self.memory, 0)


def count_outside(number: int, name: str, size: int) -> None:
    """Note that `size` bytes more of device `number` are in use for what `name` says, or fewer below 0."""
    with _counting:
        _counts.setdefault(number, Counter())[name] += size


def outside_bytes(number: int) -> dict[str, int]:
    """The bytes of device `number` in use outside the pool, by name."""
    with _counting:
        return {name: size for name, size in sorted(_counts.get(number, {}).items()) if size}
