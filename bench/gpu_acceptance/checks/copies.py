"""The rates of a GPU, measured on the spot: copies to the host, to the device, both at once, and products.

They are measured afresh, from pinned memory, each direction by itself: a link is often slower one way, and one that an
earlier run has kept may be another GPU's.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.cupy.backend import CupyBackend
from backend.cupy.copying import CopyingStream
from bench.gpu_acceptance.rows import Row, measured
from bench.gpu_acceptance.setting import Setting
from checkpoint.units import format_bytes

COPY_BYTES = 64 * 2**20
"""Large enough that what a copy costs whatever its size is a hundredth of it."""

COPIES = 8
ROWS = 4096
"""Of the square product whose rate is measured."""

QUICK_SHARE = 64
"""By how much copies and the product's rows are smaller in a run that only tests itself."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second of copies, and operations a second of a large product in float32."""

    to_host: float
    to_device: float
    both: float
    flops: float


def rates_of(setting: Setting) -> Rates:
    """The rates now, the best of three, in a quarter of the free memory at most."""
    backend, most_bytes = setting.backend, setting.free_bytes // 4
    share = QUICK_SHARE if setting.quick else 1
    size = min(COPY_BYTES // share, most_bytes // 4)
    with _copied(backend, size) as (out, back):
        to_host = COPIES * size / _best(backend, out)
        to_device = COPIES * size / _best(backend, back)
        both = 2 * COPIES * size / _best(backend, out, back)
    return Rates(to_host, to_device, both, _flops(backend, min(ROWS // share, int((most_bytes / 12) ** 0.5))))


def copies(setting: Setting) -> Iterator[Row]:
    """A row for each rate."""
    rates = rates_of(setting)
    for name, rate in (
        ("device to host", rates.to_host),
        ("host to device", rates.to_device),
        ("both at once, together", rates.both),
    ):
        yield measured("copies", name, f"{format_bytes(round(rate))}/s", {"bytes_per_second": rate})
    told = f"{rates.flops:.3g} operations a second in float32"
    yield measured("copies", "a product", told, {"flops_per_second": rates.flops})


@contextmanager
def _copied(backend: CupyBackend, size: int) -> Iterator[tuple[Callable[[], Any], Callable[[], Any]]]:
    """Two functions that begin `COPIES` copies of `size` bytes, to the host and back, each on a stream of its own."""
    arrays = [backend.zeros((size // 4,), "float32") for _ in range(2)]
    streams = [CopyingStream(backend.device) for _ in arrays]
    pinned = [stream.pinned(size) for stream in streams]
    for memory in pinned:
        np.frombuffer(memory, "uint8", size)[:] = 0
    backend.synchronize()

    def out() -> None:
        for _ in range(COPIES):
            streams[0].to_host(arrays[0], pinned[0].ptr)

    def back() -> None:
        for _ in range(COPIES):
            streams[1].to_device(arrays[1], pinned[1].ptr)

    yield out, back
    backend.synchronize()


def _best(backend: CupyBackend, *begin: Callable[[], Any]) -> float:
    """The seconds from the beginning of the work that `begin` puts on the device to its end, the least of three."""
    found = []
    for _ in range(4):  # the first one is not counted
        begun = time.perf_counter()
        for each in begin:
            each()
        backend.synchronize()
        found.append(time.perf_counter() - begun)
    return max(min(found[1:]), 1e-9)


def _flops(backend: CupyBackend, rows: int) -> float:
    a, b, out = (backend.zeros((rows, rows), "float32") for _ in range(3))
    return 2 * rows**3 / _best(backend, lambda: backend.matmul(a, b, out=out))
