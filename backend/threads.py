"""Kernels run on several threads: each takes some of the rows, or of the columns, and none waits for another.

The threads are as many as BLAS uses, and Python's own: they sleep between calls. A pool that spins while it waits (as
OpenMP's does) takes the cores from BLAS's threads and makes a step more than twice as slow.

How the work is divided changes no result: a kernel computes each element from the same values wherever it runs.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import threadpoolctl

SMALLEST = 2**17
"""Elements a thread gets at least. To wake a thread takes about as long as it does to work on these."""


@cache
def thread_count() -> int:
    """How many threads NumPy's BLAS uses in this process, asked once; 1 where it does not say."""
    counts = [int(info["num_threads"]) for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    return max(counts, default=1)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count() - 1, thread_name_prefix="kernel")


def in_parts(part: Callable[[int, int], object], length: int, *, elements: int) -> None:
    """Call `part(start, stop)` for pieces that make up range(length), at once where `elements` are many."""
    threads = min(elements // SMALLEST, length)
    if threads > 1:
        threads = min(threads, thread_count())
    if threads < 2:
        part(0, length)
        return
    bounds = [length * place // threads for place in range(threads + 1)]
    others = [_pool().submit(part, bounds[place], bounds[place + 1]) for place in range(1, threads)]
    part(0, bounds[1])
    for other in others:
        other.result()
