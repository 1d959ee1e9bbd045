"""Activations kept in two bytes: a layer runs forward from them and to them, and the error takes their place.

What is computed is in float32, in arrays that a step takes from its room: `Chain.forward_values` counts those of a run
forward, some rows of its input and its output, and the error of a layer is an array of its own, which holds the
activation in float32 first. So backward steps are those of any other network.
"""

from typing import Any

from mlp.buffers import Room
from mlp.layers import Layers
from mlp.pieces import forward_piece_rows


class Halves(Layers):
    """Layers whose hidden activations may be kept in `stored`, a format of two bytes."""

    def is_half(self, layer: int) -> bool:
        """Whether a_layer is kept in two bytes a value: not the input, and not the output."""
        return self.stored is not None and 0 < layer < self.n_layers

    def take_activation(self, room: Room, layer: int, rows: int) -> Any:
        """An array of `room` for `rows` rows of a_layer, as they are kept."""
        return room.take((rows, self.sizes[layer]), halves=self.is_half(layer))

    def take_working(self, room: Room, layer: int, rows: int) -> Any:
        """An array of `room` for `run_forward` on `rows` rows; None where it needs none."""
        widths = sum(self.sizes[number] for number in (layer - 1, layer) if self.is_half(number))
        return room.take((forward_piece_rows(rows) * widths,)) if widths else None

    def run_forward(self, layer: int, a: Any, *, out: Any, working: Any) -> None:
        """`forward_layer` from `a` = a_{layer-1} to `out`, both as they are kept, and checked; `working` is scratch.

        Some rows at a time, the same ones however often the layer is run on as many rows.
        """
        step, size = self._at, forward_piece_rows(a.shape[0])
        for first in range(0, a.shape[0], size):
            rows = slice(first, min(first + size, a.shape[0]))
            below, here, used = a[rows, :], out[rows, :], 0
            if self.is_half(layer - 1):
                below = self._part(working, used, below.shape)
                used += below.shape[0] * below.shape[1]
                self.widen(below, a[rows, :])
            if self.is_half(layer):
                here = self._part(working, used, here.shape)
            self._at = None if step is None else (step[0], step[1] + first)
            try:
                self.forward_layer(layer, below, out=here)
            finally:
                self._at = step
            self.check_output(layer)
            if self.is_half(layer):
                self.backend.narrow_(out[rows, :], here, str(self.stored))

    def widen(self, out: Any, a: Any) -> None:
        """Write rows of an activation that is kept in halves to an array of floats, such as that of its error."""
        self.backend.widen_(out, a, str(self.stored))

    def _part(self, working: Any, first: int, shape: tuple[int, int]) -> Any:
        return self.backend.xp.reshape(working[first : first + shape[0] * shape[1]], shape)
