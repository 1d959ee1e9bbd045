"""This machine's rates for offloading: copies to the place and back, timed, and operations, timed on one product.

They are kept with the machine's state (`checkpoint.measuring.timings`). Copies to a file go mostly to the operating
system's memory, as those of a step do; a disk that cannot keep up shows only in a longer run than this.
"""

import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from backend import Backend, BackendUnavailable, open_transfers, select_backend
from backend.places import HOST, check_place
from backend.transfers import Transfers
from checkpoint.errors import CheckpointError
from checkpoint.measuring.timings import Timings, least_seconds
from checkpoint.planning.offloading import Offloading
from checkpoint.units import parse_bandwidth, parse_speed

COPY_BYTES = (2**18, 2**24)
"""A small copy, for what each costs whatever its size, and a large one."""

PRODUCT_SECONDS = 1e-2
"""A product that takes this long tells a rate; smaller ones are mostly launches."""
ALL_SECONDS = 0.2
"""At least this is spent on products."""

MOST_PRODUCT_ROWS = 4096

ASSUMED_FLOPS = 10e12
"""Operations a second of a GPU that is not here and whose rate is not given."""


def measured_rates(
    backend: Backend, place: str | Path, *, dtype: str = "float32", path: Path | None = None, afresh: bool = False
) -> Offloading:
    """The rates of offloading arrays of `backend` to `place`, measured, or those that an earlier call has kept.

    `path`: the file to keep them in, by default the one in the user's cache folder. `afresh`: measured in any case.
    Raises `OffloadError` for the place, and `TransferError` where copying fails.
    """
    timings = Timings(backend, path)
    where = HOST if backend.name == "cupy" else str(Path(place).resolve())
    name = f"{dtype} offloading to {where}"
    if not afresh:
        try:
            return Offloading(**timings.get(name))
        except (TypeError, CheckpointError):  # nothing is kept, or something else
            pass
    transfers = open_transfers(backend, place)
    try:
        small, large = (_copy_seconds(backend, transfers, size) for size in COPY_BYTES)
    finally:
        transfers.close()
    rate = (COPY_BYTES[1] - COPY_BYTES[0]) / max(large - small, large / 10)
    found = Offloading(rate, _flops(backend, dtype), max(0.0, small - COPY_BYTES[0] / rate))
    timings.put(name, asdict(found))
    timings.save()
    return found


def rates_for(
    backend: str | Backend,
    place: str | Path,
    *,
    dtype: str,
    bandwidth: str | None = None,
    speed: str | None = None,
    device: int | None = None,
    afresh: bool = False,
) -> Offloading:
    """The rates that `bandwidth` and `speed` name, like "12GB/s" and "30TFLOP/s"; what is not given is measured.

    With a bandwidth no GPU is needed: without one, and without a speed, `ASSUMED_FLOPS` is taken. `afresh`: what is
    measured is not taken from an earlier call.
    """
    check_place(backend if isinstance(backend, str) else backend.name, place)
    given_bandwidth = None if bandwidth is None else parse_bandwidth(bandwidth)
    given_speed = None if speed is None else parse_speed(speed)
    if given_bandwidth is not None and given_speed is not None:
        return Offloading(given_bandwidth, given_speed)
    try:
        found = select_backend(backend, device=device)
    except BackendUnavailable as error:
        if given_bandwidth is None:
            raise CheckpointError(
                f"the speed of copies cannot be measured here: {error.reason}; give it, such as --bandwidth 12GB/s"
            ) from None
        return Offloading(given_bandwidth, ASSUMED_FLOPS)
    if given_bandwidth is not None:
        return Offloading(given_bandwidth, _flops(found, dtype))
    measured = measured_rates(found, place, dtype=dtype, afresh=afresh)
    return measured if given_speed is None else replace(measured, flops_per_second=given_speed)


def _copy_seconds(backend: Backend, transfers: Transfers, size: int) -> float:
    """The seconds of one way of a copy to the place and back, the least of several."""
    a = backend.zeros((size // 4,), "float32")

    def both_ways() -> None:
        ticket = transfers.out(a)
        transfers.before_release(ticket)
        transfers.back(ticket, a)
        transfers.before_use(ticket)

    return least_seconds(both_ways, backend) / 2


def _flops(backend: Backend, dtype: str) -> float:
    """Operations a second of a square product, the most of sizes that grow until they take a while.

    The first products of a process can take many times as long as later ones, whatever their size.
    """
    begun, rows, most = time.perf_counter(), 256, 0.0
    while True:
        a, b, out = (backend.zeros((rows, rows), dtype) for _ in range(3))
        seconds = max(least_seconds(partial(backend.matmul, a, b, out=out), backend), 1e-9)
        most = max(most, 2 * rows**3 / seconds)
        if rows >= MOST_PRODUCT_ROWS or (seconds >= PRODUCT_SECONDS and time.perf_counter() - begun >= ALL_SECONDS):
            return most
        rows *= 2
