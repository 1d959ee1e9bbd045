"""The memory of one device: a pool of our own, its limit, and its meter.

The pool is this project's alone, so what another library allocates is neither counted nor limited here. All backends of
a device in this process share it: they share the device, and a block that one frees another can use.
"""

import functools
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backend.cupy.kernels.launching import not_to_record
from backend.cupy.kernels.sums import SCRATCH_BYTES
from backend.cupy.meter import CupyMeter
from backend.cupy.outside import OutsideMemory
from backend.errors import OutOfDeviceMemory
from backend.facts import FACTS
from backend.memory import DeviceMemory

LIMIT_VARIABLE = "CUPY_GPU_MEMORY_LIMIT"
"""The environment variable by which CuPy limits every pool, ours too: bytes taken from the driver, or a percentage."""

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
            self._for_answer = OutsideMemory(number, "answers of checks", np.dtype("int64").itemsize)
            self._answer = cupy.ndarray((1,), "int64", memptr=self._for_answer.pointer)
        self._answering = threading.Lock()
        self._scratch: dict[int, Any] = {}
        self._arena_bytes = 0
        self.meter = CupyMeter(number, lambda: self.used_bytes - self._arena_bytes)

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
            limits = [limit for limit in (self._limit_bytes, self._pool.get_limit() or None) if limit is not None]
        outside_bytes = total_bytes - free_bytes - pool_bytes
        return DeviceMemory(self.used_bytes, pool_bytes, outside_bytes, total_bytes, min(limits, default=None))

    def malloc(self, size: int) -> Any:
        """Device memory for `size` bytes; the device must be current.

        Raises `OutOfDeviceMemory` where that would pass the limit, before CUDA is asked, or where CUDA has no more.
        """
        not_to_record("an array is allocated")
        if self._limit_bytes is not None:
            used = int(self._pool.used_bytes())
            if used + _rounded(size) > self._limit_bytes:
                raise OutOfDeviceMemory(asked_bytes=size, used_bytes=used, limit_bytes=self._limit_bytes)
        try:
            return self._pool.malloc(size)
        except self._cupy.cuda.memory.OutOfMemoryError as error:
            raise self._out_of_memory(size) from error

    def arena(self, values: int, kind: np.dtype) -> Any:
        """A vector in device memory that the meter does not count; the device must be current. Raises as `malloc`."""
        size = values * kind.itemsize
        taken = _rounded(size)
        self._count_arena(taken)
        try:
            vector = self._cupy.ndarray((values,), kind, memptr=self.malloc(size))
        except BaseException:
            self._count_arena(-taken)
            raise
        weakref.finalize(vector, self._count_arena, -taken)  # its parts hold on to it
        return vector

    def _count_arena(self, size: int) -> None:
        self._arena_bytes += size

    def _out_of_memory(self, size: int) -> OutOfDeviceMemory:
        """What kept the pool from taking `size` bytes more: CuPy's limit, or the device."""
        used, limit = int(self._pool.used_bytes()), int(self._pool.get_limit())
        if limit and int(self._pool.total_bytes()) + _rounded(size) > limit:  # what the pool had idle is free by now
            return OutOfDeviceMemory(asked_bytes=size, used_bytes=used, limit_bytes=limit, limit_name=LIMIT_VARIABLE)
        free_bytes, _ = self._cupy.cuda.runtime.memGetInfo()
        return OutOfDeviceMemory(asked_bytes=size, used_bytes=used, limit_bytes=None, free_bytes=free_bytes)

    @contextmanager
    def taking_at_most(self, size: int) -> Iterator[None]:
        """Within the block, the pool takes at most `size` bytes from the driver, as if the device had no more for it.

        What it has idle is given back first.
        """
        with self.device:
            before = self._pool.get_limit()
            self._pool.free_all_blocks()
            self._pool.set_limit(size=size)
            try:
                yield
            finally:
                self._pool.set_limit(size=before)

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

    def scratch(self) -> int:
        """The address of `SCRATCH_BYTES` for kernels on the current stream, outside the pool; the device is current.

        Kernels of one stream run in turn, so they share it; it was zero at first.
        """
        stream = self._cupy.cuda.get_current_stream()
        if stream.ptr not in self._scratch:
            not_to_record("scratch memory is allocated")
            memory = OutsideMemory(self.device.id, "scratch of sums", SCRATCH_BYTES)
            memory.pointer.memset_async(0, SCRATCH_BYTES, stream)
            self._scratch[stream.ptr] = memory
        return int(self._scratch[stream.ptr].ptr)

    def give_back(self) -> None:
        """Return memory that no array uses to the driver."""
        with self.device:
            self._pool.free_all_blocks()


def _rounded(size: int) -> int:
    """What an allocation of `size` bytes takes."""
    return -(-size // UNIT) * UNIT


@functools.cache
def pool_of(number: int) -> DevicePool:
    """The pool of a device, the same one each time."""
    return DevicePool(number)
