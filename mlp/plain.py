"""A plain step, which keeps every activation: where its arrays lie in the arena, and its program. No arrays here.

Plain backpropagation is a stack: activations are put one on another, and the last one is taken back first. A backward
step works above them, so the arena takes exactly the most bytes that live at once.
"""

import numpy as np

from mlp.buffers import Places
from mlp.layers import Layers
from mlp.program import Written
from mlp.records import Records


def places_of(layers: Layers, rows: int, *, in_pieces: bool) -> Places:
    """The places of a step on `rows` rows, in the order in which `Network.backprop` takes them.

    `in_pieces` False leaves out the gradients, which then are whole and the caller's.
    """
    stack = _Stack(layers)
    tops = [0]
    for width in layers.sizes[1:]:
        tops.append(stack.put(rows * width, tops[-1]))
    for layer in range(layers.n_layers, 0, -1):
        stack.put_workspace(layer, rows, tops[layer], in_pieces=in_pieces)
    return Places(stack.values, stack.offsets, stack.most)


def workspace_of(layers: Layers, layer: int, rows: int) -> Places:
    """The places of what one backward step holds beside a_{layer-1} and delta_layer."""
    stack = _Stack(layers)
    stack.put_workspace(layer, rows, 0, in_pieces=True)
    return Places(stack.values, stack.offsets, stack.most)


class _Stack:
    """Places so far, and the most bytes that they reach to."""

    def __init__(self, layers: Layers) -> None:
        self.layers, self.item_bytes = layers, np.dtype(layers.dtype).itemsize
        self.values: list[int] = []
        self.offsets: list[int] = []
        self.most = 0

    def put(self, values: int, offset: int) -> int:
        """Place an array at `offset`; returns where it ends."""
        self.values.append(values)
        self.offsets.append(offset)
        end = offset + self.layers.backend.facts.placed_bytes(values * self.item_bytes)
        self.most = max(self.most, end)
        return end

    def put_workspace(self, layer: int, rows: int, offset: int, *, in_pieces: bool) -> None:
        """Place what the backward step of a layer takes, in its order."""
        layers, (gradient_rows, error_rows) = self.layers, self.layers.piece_rows(layer, rows)
        if in_pieces:
            offset = self.put(layers.sizes[layer], offset)
            offset = self.put(gradient_rows * layers.sizes[layer], offset)
        if layer > 1 and not layers.backend.facts.error_in_place:
            self.put((gradient_rows if in_pieces else layers.sizes[layer - 1]) * error_rows, offset)


def write(layers: Layers, rows: int, records: Records) -> Written:
    """A step on `rows` rows that applies each layer's gradient, as records."""
    L, places = layers.n_layers, places_of(layers, rows, in_pieces=True)
    offsets = [0, *places.offsets]
    for layer in range(1, L + 1):
        records.forward(layer, 0, rows, offsets[layer - 1], offsets[layer])
    records.cost(0, rows, offsets[L])
    records.output_error(0, rows, offsets[L])
    for position, layer in enumerate(range(L, 0, -1)):
        bias, weight = offsets[L + 1 + 2 * position : L + 3 + 2 * position]
        piece_rows = layers.piece_rows(layer, rows)[0]
        records.backward(layer, rows, offsets[layer - 1], offsets[layer], weight, bias, piece_rows)
    return Written(places.arena_bytes, [records.table()])
