"""A plain step, which keeps every activation: where its arrays lie in the arena, and its program. No arrays here.

Plain backpropagation is a stack: activations are put one on another, and the last one is taken back first. A backward
step works above them, so the arena takes exactly the most bytes that live at once.
"""

import numpy as np

from mlp.buffers import Places
from mlp.program import Written
from mlp.records import Records
from mlp.updated import Updated
from mlp.uptake import ONTO_VELOCITY, ONTO_WEIGHTS, fits_onto_weights


def places_of(layers: Updated, rows: int, *, in_pieces: bool, onto: bool = False) -> Places:
    """The places of a step on `rows` rows, in the order in which `Network.backprop` takes them.

    `in_pieces` False leaves out the gradients, which then are whole and the caller's; `onto` those that the layers'
    uptake needs none of.
    """
    stack = _Stack(layers)
    tops = [0]
    for width in layers.sizes[1:]:
        tops.append(stack.put(rows * width, tops[-1]))
    for layer in range(layers.n_layers, 0, -1):
        if onto:
            stack.put_workspace_onto(layer, rows, tops[layer])
        else:
            stack.put_workspace(layer, rows, tops[layer], in_pieces=in_pieces)
    return Places(stack.values, stack.offsets, stack.most)


def workspace_of(layers: Updated, layer: int, rows: int) -> Places:
    """The places of what one backward step holds beside a_{layer-1} and delta_layer."""
    stack = _Stack(layers)
    stack.put_workspace(layer, rows, 0, in_pieces=True)
    return Places(stack.values, stack.offsets, stack.most)


class _Stack:
    """Places so far, and the most bytes that they reach to."""

    def __init__(self, layers: Updated) -> None:
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

    def put_workspace_onto(self, layer: int, rows: int, offset: int) -> None:
        """Place what `Updated.backward_onto` takes for a layer."""
        layers, (gradient_rows, error_rows) = self.layers, self.layers.piece_rows(layer, rows)
        if layers.uptake == ONTO_WEIGHTS:
            if not fits_onto_weights(layer, rows=rows, n_out=layers.sizes[layer], error_rows=error_rows):
                self.put_workspace(layer, rows, offset, in_pieces=True)
                return
            error_rows = rows
        if layer > 1 and not layers.backend.facts.error_in_place:
            self.put(gradient_rows * error_rows, offset)


def write(layers: Updated, rows: int, records: Records) -> Written:
    """A step on `rows` rows that applies each layer's gradient, as records."""
    onto = layers.uptake == ONTO_VELOCITY
    L, places = layers.n_layers, places_of(layers, rows, in_pieces=True, onto=onto)
    offsets = [0, *places.offsets]
    for layer in range(1, L + 1):
        records.forward(layer, 0, rows, offsets[layer - 1], offsets[layer])
    records.cost(0, rows, offsets[L])
    records.output_error(0, rows, offsets[L])
    for position, layer in enumerate(range(L, 0, -1)):
        if onto:
            records.add_onto_velocity(layer, 0, rows, offsets[layer - 1], offsets[layer], begins=True)
            records.add_velocity(layer)
            continue
        bias, weight = offsets[L + 1 + 2 * position : L + 3 + 2 * position]
        piece_rows = layers.piece_rows(layer, rows)[0]
        records.backward(layer, rows, offsets[layer - 1], offsets[layer], weight, bias, piece_rows)
    return Written(places.arena_bytes, [records.table()])
