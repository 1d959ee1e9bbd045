"""The memory of one device: a pool of our own, its limit, and its meter.

The pool is this project's alone, so what another library allocates is neither counted nor limited here. All backends of
a device in this process share it: they share the device, and a block that one frees another can use.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backend.cupy.meter import CupyMeter
from backend.errors import OutOfDeviceMemory
from backend.facts import FACTS
from backend.memory import DeviceMemory

UNIT = FACTS["cupy"].allocation_bytes


class DevicePool:
    """The pool of device `number`; CuPy must be usable. Use `pool_of`, which makes one per device."""

    def __init__(self, number: int) -> None:
        import cupy

        self._cupy = cupy
        self.device = cupy.cuda.Device(number)
        self._pool = cupy.cuda.MemoryPool()
        self._limit_bytes: int | None = None
        with self.device:  # outside the pool: it is used in the middle of a step, whose bytes are counted
            memory = cupy.cuda.MemoryPointer(cupy.cuda.Memory(np.dtype("int64").itemsize), 0)
            self._answer = cupy.ndarray((1,), "int64", memptr=memory)
        self._answering = threading.Lock()
        self.meter = CupyMeter(number, lambda: self.used_bytes)

    @property
    def limit_bytes(self) -> int | None:
        """The most bytes that may be in use at once; None for no limit but the device's."""
        return self._limit_bytes

    @limit_bytes.setter
    def limit_bytes(self, limit: int | None) -> None:
        if limit is not None and not (isinstance(limit, int) and limit >= 0):
            raise ValueError(f"a limit is a whole number of bytes, 0 or more, or None; got {limit!r}")
        self._limit_bytes = limit

    @property
    def used_bytes(self) -> int:
        """Bytes of live arrays, each rounded up."""
        with self.device:
            return int(self._pool.used_bytes())

    @property
    def memory(self) -> DeviceMemory:
        """What the device's memory is used for now."""
        with self.device:
            free_bytes, total_bytes = self._cupy.cuda.runtime.memGetInfo()
            pool_bytes = int(self._pool.total_bytes())
        return DeviceMemory(
            self.used_bytes, pool_bytes, total_bytes - free_bytes - pool_bytes, total_bytes, self._limit_bytes
        )

    def malloc(self, size: int) -> Any:
        """Device memory for `size` bytes; the device must be current.

        Raises `OutOfDeviceMemory` where that would pass the limit, before CUDA is asked, or where CUDA has no more.
        """
        if self._limit_bytes is not None:
            used = int(self._pool.used_bytes())
            if used + -(-size // UNIT) * UNIT > self._limit_bytes:
                raise OutOfDeviceMemory(asked_bytes=size, used_bytes=used, limit_bytes=self._limit_bytes)
        try:
            return self._pool.malloc(size)
        except self._cupy.cuda.memory.OutOfMemoryError as error:
            free_bytes, _ = self._cupy.cuda.runtime.memGetInfo()
            raise OutOfDeviceMemory(
                asked_bytes=size, used_bytes=int(self._pool.used_bytes()), limit_bytes=None, free_bytes=free_bytes
            ) from error

    @contextmanager
    def allocating(self) -> Iterator[None]:
        """Within the block, CuPy allocates from this pool, on this device; in this thread."""
        with self.device, self._cupy.cuda.using_allocator(self.malloc):
            yield

    @property
    @contextmanager
    def answer(self) -> Iterator[Any]:
        """One int64 on the device for a kernel's answer, allocated once; for one thread at a time."""
        with self._answering:
            yield self._answer

    def give_back(self) -> None:
        """Return memory that no array uses to the driver."""
        with self.device:
            self._pool.free_all_blocks()


@functools.cache
def pool_of(number: int) -> DevicePool:
    """The pool of a device, the same one each time."""
    return DevicePool(number)
