"""The scratch memory of the kernels' threads: panels and strips, outside every array. No array library is imported.

Each thread has the same bytes, as many as the widest of a network's layers takes. A network reserves it when it is
made, so it is resident at rest, and no step takes any more. It is the process's: networks share it, and it only grows.
"""

import ctypes
from collections.abc import Iterable
from itertools import pairwise

from backend.limits import thread_count


def thread_bytes(library: ctypes.CDLL, sizes: Iterable[int], value_bits: int) -> int:
    """The bytes that each thread takes for layers of these widths, of float32 or float64 values."""
    whole = ctypes.c_int64
    function = library.engine_scratch_bytes
    function.restype, function.argtypes = whole, [whole, whole, whole]
    return max((function(n_in, n_out, value_bits) for n_in, n_out in pairwise(sizes)), default=0)


def reserve(library: ctypes.CDLL, sizes: Iterable[int], value_bits: int, threads: int) -> None:
    """Have scratch memory for so many threads, all of its pages resident.

    Where it cannot be had now, or a step is under way on another thread, the next step sees to it.
    """
    function = library.engine_reserve
    function.restype, function.argtypes = None, [ctypes.c_int64, ctypes.c_int64]
    function(thread_bytes(library, sizes, value_bits), threads)


def reserved_bytes(library: ctypes.CDLL) -> int:
    """The bytes that all threads of this process have now."""
    function = library.engine_reserved_bytes
    function.restype = ctypes.c_int64
    return int(function())


def coming_bytes(library: ctypes.CDLL, sizes: Iterable[int], value_bits: int) -> int:
    """How many bytes more there will be once a network of these widths is made here."""
    return max(0, thread_count() * thread_bytes(library, sizes, value_bits) - reserved_bytes(library))
