"""Exact bytes of NumPy's array data: tracemalloc with everything but NumPy's own domain left out.

`tracemalloc.get_traced_memory()` is exact, and gives the peak, but adds up all domains: array data and every Python
object. Tracing has two parts: hooks on Python's three allocators, and explicit reports by libraries, of which NumPy's
array data is one (`np.lib.tracemalloc_domain`). `ArrayDomain` starts tracemalloc and puts the three allocators back as
they were. Only explicit reports are then counted, and Python itself runs at full speed meanwhile.

The C functions are part of Python's documented C API: PyMem_GetAllocator and PyMem_SetAllocator.
"""

import ctypes
import threading
import tracemalloc

from backend.errors import MeterError


class _Allocator(ctypes.Structure):
    """PyMemAllocatorEx: a context and four functions."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free"))


_DOMAINS = (0, 1, 2)  # PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ


class ArrayDomain:
    """Counts the live bytes of NumPy's array data while it is on; `start` and `stop` may be nested."""

    def __init__(self) -> None:
        self._users = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to count. Arrays made before are not counted, and not missed when they go."""
        with self._lock:
            if self._users == 0:
                _start_without_python_objects()
            self._users += 1

    def stop(self) -> None:
        """Stop counting, with the last of the users."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                tracemalloc.stop()

    @staticmethod
    def current_bytes() -> int:
        """Bytes live now, of those allocated since `start`."""
        return tracemalloc.get_traced_memory()[0]

    @staticmethod
    def peak_bytes() -> int:
        """The most bytes live at any moment since the last `reset_peak`."""
        return tracemalloc.get_traced_memory()[1]

    @staticmethod
    def reset_peak() -> None:
        """Begin a new peak at what is live now."""
        tracemalloc.reset_peak()


def _start_without_python_objects() -> None:
    if tracemalloc.is_tracing():
        raise MeterError(
            "tracemalloc is on already and counts Python objects with the arrays; stop it before measuring array bytes"
        )
    api = ctypes.pythonapi
    plain = [_Allocator() for _ in _DOMAINS]
    for domain, allocator in zip(_DOMAINS, plain, strict=True):
        api.PyMem_GetAllocator(domain, ctypes.byref(allocator))
    tracemalloc.start(1)
    for domain, allocator in zip(_DOMAINS, plain, strict=True):
        api.PyMem_SetAllocator(domain, ctypes.byref(allocator))
    tracemalloc.clear_traces()
