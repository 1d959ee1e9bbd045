"""This machine's rates for offloading: copies to the place and back, timed, and operations, timed on one product.

They are kept in the user's cache folder, beside the calibration's timings, under what they depend on. Copies to a file
are mostly to the operating system's memory, as those of a step are; a disk that can't keep up shows only in a longer
run than this.
"""

import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pooch

from backend import Backend, BackendUnavailable, open_transfers, select_backend
from backend.transfers import HOST, Transfers, check_place
from checkpoint.errors import CheckpointError
from checkpoint.measuring.calibration import FILE_NAME, least_seconds, read_timings
from checkpoint.output import OutputError, write_json
from checkpoint.planning.offloading import Offloading
from checkpoint.units import parse_bandwidth, parse_speed
from mlp.saving import environment

COPY_BYTES = (2**18, 2**24)
"""A small copy, for what each costs whatever its size, and a large one."""

PRODUCT_SECONDS = 1e-2
"""A product that takes as long tells a rate; smaller ones are mostly launches."""
ALL_SECONDS = 0.2
"""No less is spent on products."""

MOST_PRODUCT_ROWS = 4096

ASSUMED_FLOPS = 10e12
"""Operations a second of a card that isn't here and whose rate isn't given."""


def measured_rates(
    backend: Backend, place: str | Path, *, dtype: str = "float32", path: Path | None = None
) -> Offloading:
    """The rates of offloading arrays of `backend` to `place`, measured, or found where an earlier call has kept them.

    `path`: the file to keep them in, the calibration's unless given. Raises `OffloadError` for the place, and
    `TransferError` where copying fails.
    """
    path = Path(pooch.os_cache("mlp-checkpointing")) / FILE_NAME if path is None else path
    where = HOST if backend.name == "cupy" else str(Path(place).resolve())
    key = json.dumps(["offloading", environment(backend), dtype, where], sort_keys=True)
    kept = read_timings(path)
    try:
        return Offloading(**kept[key])
    except (KeyError, TypeError, CheckpointError):
        pass
    transfers = open_transfers(backend, place)
    try:
        small, large = (_copy_seconds(backend, transfers, size) for size in COPY_BYTES)
    finally:
        transfers.close()
    rate = (COPY_BYTES[1] - COPY_BYTES[0]) / max(large - small, large / 10)
    found = Offloading(rate, _flops(backend, dtype), max(0.0, small - COPY_BYTES[0] / rate))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**read_timings(path), key: asdict(found)})
    except (OSError, OutputError):
        pass  # costs a measurement the next time, and nothing else
    return found


def rates_for(
    backend: str | Backend,
    place: str | Path,
    *,
    dtype: str,
    bandwidth: str | None = None,
    speed: str | None = None,
    device: int | None = None,
) -> Offloading:
    """The rates that `--bandwidth` and `--speed` say, each like "12GB/s" and "30TFLOP/s"; measured where they don't.

    With a bandwidth no card is needed: where there is none and the speed isn't given, `ASSUMED_FLOPS` is taken.
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
                f"how fast copies are cannot be measured here: {error.reason}; say it, such as --bandwidth 12GB/s"
            ) from None
        return Offloading(given_bandwidth, ASSUMED_FLOPS)
    if given_bandwidth is not None:
        return Offloading(given_bandwidth, _flops(found, dtype))
    measured = measured_rates(found, place, dtype=dtype)
    return (
        measured
        if given_speed is None
        else Offloading(measured.bytes_per_second, given_speed, measured.seconds_per_copy)
    )


def _copy_seconds(backend: Backend, transfers: Transfers, size: int) -> float:
    """The seconds of one way of a copy there and back, the least of some."""
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
