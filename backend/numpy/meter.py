"""Exact bytes of NumPy's array data: tracemalloc with every domain left out but NumPy's own.

`tracemalloc.get_traced_memory()` is exact and knows the peak, but adds up all domains: array data and every Python
object. Tracing has two parts: hooks on Python's three allocators, and explicit reports by libraries, of which NumPy's
array data is one (`np.lib.tracemalloc_domain`). `ArrayDomain` starts tracemalloc and restores the three allocators.
Only explicit reports are then counted, and Python itself runs at full speed.

Tracing that somebody in this process started is theirs, and measuring is refused. Tracing that the interpreter was
started with (PYTHONTRACEMALLOC or -X tracemalloc) is interrupted for the measurement, and a warning says so.

The C functions are part of Python's documented C API: PyMem_GetAllocator and PyMem_SetAllocator.
"""

import ctypes
import os
import sys
import threading
import tracemalloc
import warnings

from backend.callers import callers_level
from backend.errors import MeterError


class _Allocator(ctypes.Structure):
    """PyMemAllocatorEx: a context and four functions."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free"))


_DOMAINS = (0, 1, 2)  # PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ


class ArrayDomain:
    """Counts the live bytes of NumPy's array data while it is on; `start` and `stop` may be nested."""

    def __init__(self) -> None:
        self._users = 0
        self._placed_bytes = self._peak_bytes = 0
        self._interrupted_frames = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to count. Arrays made before are not counted, nor is it counted when they are freed."""
        with self._lock:
            if self._users == 0:
                self._interrupted_frames = _interrupt_tracing()
                _start_without_python_objects()
            self._users += 1

    def stop(self) -> None:
        """Stop counting, with the last of the users."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                tracemalloc.stop()
                if self._interrupted_frames:
                    tracemalloc.start(self._interrupted_frames)

    def place(self, size: int) -> None:
        """Count `size` bytes more, or fewer below 0: those of an array in an arena, which is not counted itself."""
        if self._users:
            self._peak_bytes = self.peak_bytes()
            tracemalloc.reset_peak()
        self._placed_bytes += size

    def current_bytes(self) -> int:
        """Bytes live now, of those allocated since `start`, and those placed."""
        return tracemalloc.get_traced_memory()[0] + self._placed_bytes

    def peak_bytes(self) -> int:
        """The most bytes live at any moment since the last `reset_peak`."""
        return max(self._peak_bytes, tracemalloc.get_traced_memory()[1] + self._placed_bytes)

    def reset_peak(self) -> None:
        """Begin a new peak at what is live now."""
        tracemalloc.reset_peak()
        self._peak_bytes = 0


def _interrupt_tracing() -> int:
    """Stop tracing that the interpreter was started with; the frames that it keeps, 0 where nothing is traced."""
    if not tracemalloc.is_tracing():
        return 0
    if os.environ.get("PYTHONTRACEMALLOC", "0") in ("", "0") and "tracemalloc" not in sys._xoptions:
        raise MeterError(
            "tracemalloc is on already and counts Python objects with the arrays; stop it before measuring array bytes"
        )
    warnings.warn(
        "PYTHONTRACEMALLOC traces Python objects too, so it is interrupted while array bytes are measured; what it had "
        "traced until now is dropped",
        RuntimeWarning,
        stacklevel=callers_level(),
    )
    frames = tracemalloc.get_traceback_limit()
    tracemalloc.stop()
    return frames


def _start_without_python_objects() -> None:
    api = ctypes.pythonapi
    plain = [_Allocator() for _ in _DOMAINS]
    for domain, allocator in zip(_DOMAINS, plain, strict=True):
        api.PyMem_GetAllocator(domain, ctypes.byref(allocator))
    tracemalloc.start(1)
    for domain, allocator in zip(_DOMAINS, plain, strict=True):
        api.PyMem_SetAllocator(domain, ctypes.byref(allocator))
    tracemalloc.clear_traces()
