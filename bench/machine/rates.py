"""What this machine can do at most: operations a second in NumPy's products, and bytes a second from its memory."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
SIDE = 1536
REPEATS = 5
LEAST_COPIED_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Rates:
    """`flops_per_second` in float32, `bytes_per_second` read or written, and the last-level cache, 0 if unknown."""

    flops_per_second: float
    bytes_per_second: float
    cache_bytes: int


def measured_rates(*, threads: int, side: int = SIDE, copied_bytes: int | None = None) -> Rates:
    """The best of a few repeats on `threads` threads: a product of `side` by `side`, and copies beyond the cache."""
    cache = cache_bytes()
    size = max(4 * cache, LEAST_COPIED_BYTES) if copied_bytes is None else copied_bytes
    return Rates(_flops_per_second(side), _bytes_per_second(size, threads), cache)


def cache_bytes() -> int:
    """The size of the last-level cache of the first core; 0 where the system does not say."""
    found = [0]
    for index in CACHES.glob("index*/size"):
        text = index.read_text().strip()
        unit = {"K": 2**10, "M": 2**20}.get(text[-1:], 1)
        found.append(int(text.rstrip("KM")) * unit)
    if len(found) == 1 and hasattr(os, "sysconf") and "SC_LEVEL3_CACHE_SIZE" in os.sysconf_names:
        found.append(os.sysconf("SC_LEVEL3_CACHE_SIZE"))
    return max(found)


def _flops_per_second(side: int) -> float:
    a, b, out = (np.ones((side, side), np.float32) for _ in range(3))
    return 2 * side**3 / _least_seconds(lambda: np.matmul(a, b, out=out))


def _bytes_per_second(size: int, threads: int) -> float:
    source, target = (np.ones((threads, size // threads), np.uint8) for _ in range(2))
    with ThreadPoolExecutor(threads) as pool:  # copies of large arrays release the interpreter's lock
        seconds = _least_seconds(lambda: [*pool.map(np.copyto, target, source)])
    return 2 * source.nbytes / seconds


def _least_seconds(work: Callable[[], object]) -> float:
    work()
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)
