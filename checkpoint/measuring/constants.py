"""The few constants of this machine that a step's seconds are predicted from: measured once, in about a second.

They are kept with the machine's state (`checkpoint.measuring.timings`), for each dtype. Layers are timed as in a step,
so that kernels, threads and activations are those that train.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from backend import Backend, select_backend
from checkpoint.errors import CheckpointError
from checkpoint.measuring.calibration import time_layer
from checkpoint.measuring.timings import Timings
from checkpoint.planning.machine import MachineConstants, MachineCost
from checkpoint.schedule.chain import ITEM_BYTES, chain_of

WIDTH, ROWS, FEW_ROWS = 512, 1024, 32
"""Of the layer whose products are timed, on many rows and on few."""

NARROW = 32
"""Inputs of a layer whose time is mostly in its activation."""

WIDE = 2048
"""Of a layer whose weights, 16 MiB in float32, take longer to read than to multiply by few rows."""

DEFAULT_CACHE_BYTES = 32 * 2**20
"""Where the system does not say how large the last-level cache is."""


def machine_cost(
    sizes: Iterable[int], *, batch_size: int, dtype: str = "float32", backend: str = "numpy"
) -> MachineCost:
    """A cost in seconds for `plan`, by this machine's constants: those that are kept, or measured now and then kept."""
    found = select_backend(backend)
    chain = chain_of(sizes, batch_size=batch_size, dtype=dtype, backend=found.variant)
    return MachineCost(chain, constants_of(found, dtype))


def constants_of(backend: Backend, dtype: str, *, path: Path | None = None, afresh: bool = False) -> MachineConstants:
    """The constants of `backend` here, for `dtype`; `path` as for `Timings`. With `afresh` they are measured again."""
    timings = Timings(backend, path)
    name = f"constants {dtype}"
    kept = None if afresh else _read(timings.get(name))
    if kept is None:
        kept = measured(partial(time_layer, dtype=dtype, backend=backend), item_bytes=ITEM_BYTES[dtype])
        timings.put(name, asdict(kept))
        timings.save()
    return kept


def measured(
    seconds: Callable[[str, int, int, int, bool], float], *, item_bytes: int, cache_bytes: int | None = None
) -> MachineConstants:
    """The constants from `seconds` of (direction, inputs, outputs, rows, whether it is the first layer)."""
    call = seconds("forward", 1, 1, 1, False)
    wide = seconds("forward", WIDTH, WIDTH, ROWS, False) - call
    narrow = seconds("forward", NARROW, WIDTH, ROWS, False) - call
    # wide = product + values and narrow = product * NARROW / WIDTH + values, with as many values
    product = max((wide - narrow) / (1 - NARROW / WIDTH), wide / 10)
    value = max(wide - product, wide / 1000) / (WIDTH * ROWS)
    few = seconds("forward", WIDTH, WIDTH, FEW_ROWS, False) - call - FEW_ROWS * WIDTH * value
    slower = few / (product * FEW_ROWS / ROWS)  # 1 + half / FEW_ROWS, over 1 + half / ROWS
    half = max(0.0, (slower - 1) / (1 / FEW_ROWS - slower / ROWS)) if slower < ROWS / FEW_ROWS else float(ROWS)
    back = max(seconds("backward", WIDTH, WIDTH, ROWS, False) - call - WIDTH * ROWS * value, product / 2)
    flops = 2.0 * WIDTH * WIDTH * ROWS * (1 + half / ROWS)
    one_row = 2.0 * WIDE * WIDE * product / flops
    reading = max(seconds("forward", WIDE, WIDE, 1, False) - call - one_row, 1e-9)
    return MachineConstants(
        forward_flops=flops / product,
        backward_flops=2 * flops / back,
        half_rows=half,
        call_seconds=call,
        value_seconds=value,
        bytes_per_second=WIDE * WIDE * item_bytes / reading,
        cache_bytes=float(last_level_cache_bytes() if cache_bytes is None else cache_bytes),
    )


def last_level_cache_bytes(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """The bytes of the largest cache that Linux lists, or a usual number."""
    found = [DEFAULT_CACHE_BYTES] if not folder.is_dir() else []
    for path in folder.glob("index*/size") if folder.is_dir() else ():
        text = path.read_text(encoding="utf-8").strip()
        if text[:-1].isdigit() and text[-1:] in ("K", "M"):
            found.append(int(text[:-1]) * (1024 if text[-1] == "K" else 2**20))
    return max(found, default=DEFAULT_CACHE_BYTES)


def _read(record: object) -> MachineConstants | None:
    """What is kept, where it holds constants; None for anything else."""
    if not isinstance(record, dict):
        return None
    try:
        return MachineConstants(**record)
    except (TypeError, CheckpointError):
        return None
