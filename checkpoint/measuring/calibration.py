"""This machine's seconds for each layer shape and number of rows: the cost that `plan --calibrate` plans in.

Each pair is timed when it is first asked for, and kept in the user's cache folder under what the time depends on. One
layer at a time is timed, with its arrays warm, so a whole step can take longer.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pooch

from backend import Backend, select_backend
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.output import OutputError, write_json
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from mlp import Network
from mlp.saving import environment

REPEATS = 3
"""Each time is the least of so many: what disturbs a timing only adds to it."""

FILE_NAME = "calibration.json"


class Calibration:
    """A `checkpoint.planning.costs.Cost` in seconds, of the layers of `sizes` with `dtype` on `backend`.

    `path` is the file that timings are kept in, None to keep none. `save` writes it.
    """

    def __init__(self, sizes: Iterable[int], *, dtype: str, backend: Backend, path: Path | None) -> None:
        self._sizes, self.dtype, self.backend, self._path = tuple(sizes), dtype, backend, path
        facts = environment(backend)
        self.device = f"{facts['backend']} on {facts['device']}"
        self.device += f", {backend.threads} threads" if backend.threads else ""
        self._key = json.dumps([facts, dtype], sort_keys=True)
        self._seconds: dict[str, float] = read_timings(path).get(self._key, {})
        self.measured = 0
        """How many timings were made, and not found in the file."""

    def forward(self, layer: int, rows: int) -> float:
        """Seconds of running `layer` forward on `rows` rows."""
        return self._timed("forward", layer, rows)

    def backward(self, layer: int, rows: int) -> float:
        """Seconds of taking the error of `rows` rows back through `layer`, its weights updated."""
        return self._timed("backward", layer, rows)

    def save(self) -> None:
        """Keep the timings for the next time. A folder that can't be written costs that, and nothing else."""
        if self._path is None or not self.measured:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {**read_timings(self._path), self._key: self._seconds})
        except (OSError, OutputError):
            return

    def _timed(self, direction: str, layer: int, rows: int) -> float:
        n_in, n_out = self._sizes[layer - 1], self._sizes[layer]
        # The first layer's error goes no further down, which is a product less.
        kind = "first " if layer == 1 and direction == "backward" else ""
        key = f"{kind}{direction} {n_in}x{n_out} {rows}"
        if key not in self._seconds:
            self._seconds[key] = _time_layer(direction, n_in, n_out, rows, bool(kind), self.dtype, self.backend)
            self.measured += 1
        return self._seconds[key]


def calibrate(sizes: Iterable[int], *, batch_size: int, dtype: str, backend: str) -> Calibration:
    """A calibration for these layers, with the timings of earlier ones on this machine."""
    chain = chain_of(sizes, batch_size=batch_size, dtype=dtype, backend=backend)
    path = Path(pooch.os_cache("mlp-checkpointing")) / FILE_NAME
    return Calibration(chain.widths, dtype=dtype, backend=select_backend(backend), path=path)


def time_step(
    chain: Chain, schedule: Schedule, calibration: Calibration, *, offload: str | Path | None = None
) -> float:
    """Seconds of a real step of `schedule` on random data: what the calibration's sum is to be compared with.

    `offload`: where a schedule that offloads does so.
    """
    backend, dtype = calibration.backend, calibration.dtype
    net = NetworkWithCheckpointing(
        chain.widths, schedule=schedule, offload=offload, dtype=dtype, backend=backend, initialization="scaled"
    )
    random = np.random.default_rng(0)
    X = backend.asarray(random.random((chain.batch_size, chain.widths[0])), dtype)
    y = backend.asarray(random.random((chain.batch_size, chain.widths[-1])), dtype)
    return least_seconds(lambda: net.update_mini_batch(X, y, eta=1e-3), backend)


def _time_layer(direction: str, n_in: int, n_out: int, rows: int, first: bool, dtype: str, backend: Backend) -> float:
    # Layer 2 of a network with one input stands for every layer but the first.
    sizes, layer = ((n_in, n_out), 1) if first else ((1, n_in, n_out), 2)
    net = Network(sizes, dtype=dtype, backend=backend, initialization="scaled")
    random = np.random.default_rng(0)
    a = backend.asarray(random.random((rows, n_in)), dtype)
    delta = backend.asarray(random.random((rows, n_out)) * 1e-3, dtype)
    out = backend.empty((rows, n_out), dtype)

    def forward() -> None:
        net.forward_layer(layer, a, out=out)

    def backward() -> None:
        for gradient in net.backward_layer(layer, a, delta, in_blocks=True):
            net.apply_gradient(gradient, 1e-6)
            del gradient

    return least_seconds(forward if direction == "forward" else backward, backend)


def least_seconds(run: Callable[[], None], backend: Backend) -> float:
    """The least seconds of some runs, after one that warms up."""
    run()
    least = float("inf")
    for _ in range(REPEATS):
        backend.synchronize()
        begun = time.perf_counter()
        run()
        backend.synchronize()
        least = min(least, time.perf_counter() - begun)
    return least


def read_timings(path: Path | None) -> dict[str, Any]:
    """The timings kept in a file; none where there is no file, or something else is in it."""
    if path is None:
        return {}
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
