"""Memory that training steps reuse.

Fresh memory from the operating system costs a page fault every 4 KiB at first touch: about a tenth of a step. Each
step takes the same arrays, so those of the last one are reused.

Idle arrays never add to the peak: in use and idle together stay within the most that was ever in use. For an array of
a new size, idle ones are freed first.
"""

from math import prod
from typing import Any

from backend import Backend


class Buffers:
    """Arrays of one dtype for one network's steps. Not for two threads at once."""

    def __init__(self, backend: Backend, dtype: str) -> None:
        self._backend, self._dtype = backend, dtype
        self._idle: dict[int, list[Any]] = {}
        self._idle_values = self._used_values = self._most_values = 0

    def begin_step(self) -> None:
        """Count nothing as in use; an abandoned step's arrays belong to whoever still holds them."""
        self._used_values = 0

    def take(self, shape: tuple[int, ...]) -> Any:
        """A row-major array whose values are not set."""
        if self._backend.facts.keeps_freed_memory:
            return self._backend.empty(shape, self._dtype)
        if self._backend.measuring:
            self.clear()
        size = prod(shape)
        self._used_values += size
        self._most_values = max(self._most_values, self._used_values)
        if size in self._idle:
            array = self._pop(size)
            return array if array.shape == shape else self._backend.xp.reshape(array, shape)
        while self._used_values + self._idle_values > self._most_values:
            self._pop(next(iter(self._idle)))
        return self._backend.xp.reshape(self._backend.empty((size,), self._dtype), shape)

    def give(self, array: Any) -> None:
        """Take back an array from `take` that is no longer used."""
        if self._backend.facts.keeps_freed_memory:
            return
        self._used_values = max(self._used_values - array.size, 0)
        if not self._backend.measuring:  # a measurement must see each array come and go
            self._backend.release(array)
            self._idle.setdefault(array.size, []).append(array)
            self._idle_values += array.size

    def clear(self) -> None:
        """Free all idle arrays."""
        self._idle.clear()
        self._idle_values = 0

    def _pop(self, size: int) -> Any:
        arrays = self._idle[size]
        array = arrays.pop()
        if not arrays:
            del self._idle[size]
        self._idle_values -= size
        return array
