"""This machine's seconds for each layer shape and number of rows: the cost that `plan --calibrate` plans in.

Each pair is timed when it is first asked for, and kept with the machine's state (`checkpoint.measuring.timings`). One
layer at a time is timed, with its arrays warm, so a whole step can take longer. What is kept may have been timed under
another load: `differs` says when a real step shows that, and `forget` has everything timed again.
"""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path

import numpy as np

from backend import Backend, select_backend
from checkpoint.measuring.timings import Timings, least_seconds
from checkpoint.schedule.chain import chain_of
from mlp import Network
from mlp.plain import workspace_of

MOST_OFF = 1.5
"""Timings are believed while a real step takes at most this many times as long, or as short, as they predict."""


def differs(predicted_seconds: float, measured_seconds: float) -> bool:
    """Whether a step that was timed shows that its prediction was wrong.

    >>> differs(1.0, 1.4), differs(1.0, 1.6), differs(1.0, 0.6)
    (False, True, True)
    """
    return not 1 / MOST_OFF <= measured_seconds / predicted_seconds <= MOST_OFF


class Calibration:
    """A `checkpoint.planning.costs.Cost` in seconds: of the layers of `sizes`, with `dtype`, on `backend`.

    `path` is the file that timings are kept in, by default the one in the user's cache folder. `save` writes it. With
    `afresh`, nothing that is kept there is used.
    """

    def __init__(
        self, sizes: Iterable[int], *, dtype: str, backend: Backend, path: Path | None = None, afresh: bool = False
    ) -> None:
        self._sizes, self.dtype, self.backend = tuple(sizes), dtype, backend
        self._timings = Timings(backend, path)
        self.device = f"{backend.name} on {backend.device_name}"
        self.device += f", {backend.threads} threads" if backend.threads else ""
        self._afresh, self._names = afresh, set[str]()
        self.measured = 0
        """How many timings were made."""
        self.found = 0
        """How many timings were found in the file, since the last `forget`."""

    def forward(self, layer: int, rows: int) -> float:
        """Seconds of running `layer` forward on `rows` rows."""
        return self._timed("forward", layer, rows)

    def backward(self, layer: int, rows: int) -> float:
        """Seconds of taking the error of `rows` rows back through `layer`, its weights updated."""
        return self._timed("backward", layer, rows)

    def forget(self) -> None:
        """Time everything again that is asked for from now on."""
        self._afresh, self.found = True, 0
        self._names.clear()

    def save(self) -> None:
        """Keep the timings for the next time."""
        self._timings.save()

    def _timed(self, direction: str, layer: int, rows: int) -> float:
        n_in, n_out = self._sizes[layer - 1], self._sizes[layer]
        # The first layer's error goes no further down, which is one product less.
        kind = "first " if layer == 1 and direction == "backward" else ""
        name = f"{self.dtype} {kind}{direction} {n_in}x{n_out} {rows}"
        kept = self._timings.get(name)
        if isinstance(kept, float) and isfinite(kept) and kept > 0 and (name in self._names or not self._afresh):
            self.found += name not in self._names
            self._names.add(name)
            return kept
        seconds = time_layer(direction, n_in, n_out, rows, bool(kind), self.dtype, self.backend)
        self._timings.put(name, seconds)
        self._names.add(name)
        self.measured += 1
        return seconds


def calibrate(sizes: Iterable[int], *, batch_size: int, dtype: str, backend: str, afresh: bool = False) -> Calibration:
    """A calibration for these layers, with the timings that are kept of this machine; `afresh`: without them."""
    found = select_backend(backend)
    chain = chain_of(sizes, batch_size=batch_size, dtype=dtype, backend=found.variant)
    return Calibration(chain.widths, dtype=dtype, backend=found, afresh=afresh)


def time_layer(direction: str, n_in: int, n_out: int, rows: int, first: bool, dtype: str, backend: Backend) -> float:
    # Layer 2 of a network with one input stands for every layer but the first.
    sizes, layer = ((n_in, n_out), 1) if first else ((1, n_in, n_out), 2)
    net = Network(sizes, dtype=dtype, backend=backend, initialization="scaled")
    random = np.random.default_rng(0)
    a = backend.asarray(random.random((rows, n_in)), dtype)
    delta = backend.asarray(random.random((rows, n_out)) * 1e-3, dtype)
    out = backend.empty((rows, n_out), dtype)
    workspace = workspace_of(net, layer, rows)

    def forward() -> None:
        net.forward_layer(layer, a, out=out)

    def backward() -> None:
        room = net.buffers.begin(workspace)
        for gradient in net.backward_layer(layer, a, delta, room, in_pieces=True):
            net.apply_gradient(gradient, 1e-6)
            del gradient
        room.end()

    return least_seconds(forward if direction == "forward" else backward, backend)
