"""The meter of the CuPy backend: the most bytes that a pool had in use, read after each of its allocations.

Between two allocations the bytes in use only fall, so the most is always just after one: the peak is exact.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from backend.memory import Usage


class CupyMeter:
    """Measures blocks of code; they may be nested, in one thread. `used_bytes` reads the pool of device `number`.

    Arrays in an arena, which `used_bytes` leaves out, are counted by `place`.
    """

    def __init__(self, number: int, used_bytes: Callable[[], int]) -> None:
        self._placed_bytes = 0
        self._allocated_bytes = used_bytes
        self._open: list[tuple[int, Usage]] = []
        self._hook = _hook_after_malloc(number, self._look)

    @property
    def is_open(self) -> bool:
        """Whether a block is being measured."""
        return bool(self._open)

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure a block; see `Backend.measure`.

        An array that is older than the block and freed within it counts as negative bytes, also when Python's garbage
        collector frees it. NumPy's meter ignores these.
        """
        start = self._used_bytes()
        usage = Usage(_read=lambda: self._used_bytes() - start)
        if not self._open:
            self._hook.__enter__()
        self._open.append((start, usage))
        try:
            yield usage
        finally:
            self._open.pop()
            if not self._open:
                self._hook.__exit__(None, None, None)
            usage.end_bytes = self._used_bytes() - start
            usage._read = None

    def _used_bytes(self) -> int:
        return self._allocated_bytes() + self._placed_bytes

    def place(self, size: int, end: int) -> None:
        """See `Backend.place`."""
        self._placed_bytes += size
        for _, usage in self._open:
            usage.arena_bytes = max(usage.arena_bytes, end)
        if self._open:
            self._look()

    def _look(self) -> None:
        used = self._used_bytes()
        for start, usage in self._open:
            usage.peak_bytes = max(usage.peak_bytes, used - start)


def _hook_after_malloc(number: int, look: Callable[[], None]) -> Any:
    """A CuPy memory hook that calls `look` after each allocation on a device, from whichever pool."""
    import cupy

    class AfterMalloc(cupy.cuda.MemoryHook):  # type: ignore[misc]
        name = f"mlp-checkpointing meter of device {number}"

        def malloc_postprocess(self, *, device_id: int, **_: Any) -> None:
            if device_id == number:
                look()

    return AfterMalloc()
