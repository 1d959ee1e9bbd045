"""One training step under way: the activations that are held, and what each action does to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

from backend import Transfers
from checkpoint.execution.host_copies import HostCopies
from checkpoint.schedule.actions import Backward, Fetch, Forward, Offload, Release, Rows
from checkpoint.schedule.schedule import Schedule
from mlp import Gradient, Network
from mlp.buffers import Places
from mlp.uptake import IN_PIECES, ONTO_VELOCITY, ONTO_WEIGHTS


@dataclass(slots=True)
class _Held:
    """Rows of an activation from row `first` on; the error takes their place."""

    array: Any
    first: int

    def rows(self, rows: Rows) -> Any:
        return self.array[rows[0] - self.first : rows[1] - self.first, :]


class _Pieces(TypedDict):
    """The pieces that backward steps work in, as `mlp.backward` wants to know them."""

    pieces: str
    planned_rows: int | None


class Execution:
    """The state of one step of `network` on the mini-batch `X`, `y`: what each action of a schedule does to arrays.

    `run(a, start, stop)` returns [a_{start+1}, ..., a_stop], as `forward_between_checkpoints` does. `schedule`: the one
    whose actions will come, which `simulate` is taken to accept; it says in which pieces backward steps work.
    `transfers`: where activations are offloaded to, if they are. `in_pieces`: see `Network.backprop`. `places`: where
    the step's arrays lie in the network's arena, in the order in which the actions take them. `counts_cost`: whether
    the cost is added to the network's `cost_total`, by default as steps `in_pieces` do. `uptake` and `rate`: how
    gradients are taken up, and at which rate those that are not yielded, see `mlp.uptake`. `first_row`: the row of the
    whole mini-batch that `X` begins with, where that is a part of it: what is dropped follows from it.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        y: Any,
        *,
        run: Callable[[Any, int, int], list[Any]],
        schedule: Schedule,
        transfers: Transfers | None,
        in_pieces: bool,
        places: Places,
        counts_cost: bool | None = None,
        uptake: str = IN_PIECES,
        rate: float = 0.0,
        first_row: int = 0,
    ) -> None:
        self._room = network.buffers.begin(places)
        self._network, self._y, self._run, self._in_pieces = network, y, run, in_pieces
        self._uptake, self._rate = uptake, rate
        self._counts_cost = in_pieces if counts_cost is None else counts_cost
        self._weights, self._step, self._first_row = network.row_weights, network.steps_trained, first_row
        self._batch_size = X.shape[0]
        self._pieces = _Pieces(pieces=schedule.pieces, planned_rows=schedule.planned_rows)
        self._held = {0: _Held(X, 0)}
        self._errors: dict[int, _Held] = {}  # of activations in halves, which stay beside them until all rows are made
        self._sums: dict[int, Gradient] = {}
        self._copies = HostCopies(transfers)

    def forward(self, action: Forward) -> None:
        """Run a layer from the activation below it, and hold its output."""
        layer, rows = action.layer, action.rows or (0, self._batch_size)
        self._await(layer - 1)
        below = self._held[layer - 1].rows(rows)
        if self._network.stored is not None:
            self._forward_halves(action, below, rows)
            return
        if action.whole:
            self._fill(layer, below, rows)
            return
        place = self._room.take((rows[1] - rows[0], self._network.sizes[layer]))
        offering = self._network.buffers.offering(place)
        with offering, self._network.in_training(*self._place(rows)):
            (a,) = self._run(below, layer - 1, layer)
        if a is not place:  # somebody else's way to run a layer made it
            self._room.give(place)
        self._held[layer] = _Held(a, rows[0])

    def _forward_halves(self, action: Forward, below: Any, rows: Rows) -> None:
        """`forward` where hidden activations are kept in two bytes a value; `run`, which knows none, is not asked."""
        network, layer = self._network, action.layer
        working = network.take_working(self._room, layer, rows[1] - rows[0])
        if not action.whole or rows[0] == 0:
            first, stop = (0, self._batch_size) if action.whole else rows
            self._held[layer] = _Held(network.take_activation(self._room, layer, stop - first), first)
        with network.in_training(*self._place(rows)):
            network.run_forward(layer, below, out=self._held[layer].rows(rows), working=working)
        self._room.give(working)
        if rows[1] == self._end(layer):
            network.backend.protect(self._held[layer].array)

    def _fill(self, layer: int, below: Any, rows: Rows) -> None:
        """Write a row block to its rows of an activation for the whole mini-batch."""
        network = self._network
        if rows[0] == 0:
            self._held[layer] = _Held(self._room.take((self._batch_size, network.sizes[layer])), 0)
        with network.in_training(*self._place(rows)):
            network.forward_layer(layer, below, out=self._held[layer].rows(rows))
        network.check_output(layer)
        if rows[1] == self._batch_size:
            network.backend.protect(self._held[layer].array)

    def release(self, action: Release) -> None:
        """Free an activation, which may be on its way to the offload place."""
        self._copies.before_release(action.layer)
        self._room.give(self._held.pop(action.layer).array)

    def offload(self, action: Offload) -> None:
        """Begin to copy an activation to the offload place; it stays held."""
        self._await(action.layer)
        self._copies.out(action.layer, self._held[action.layer].array)

    def fetch(self, action: Fetch) -> None:
        """Hold an activation again, and begin to copy it back."""
        array = self._network.take_activation(self._room, action.layer, self._batch_size)
        self._held[action.layer] = _Held(array, 0)
        self._copies.back(action.layer, array)

    def end(self) -> None:
        """End the step, or give it up: no copy is under way any more, and nothing is held."""
        try:
            self._copies.end()
        finally:
            self._room.end()

    def _await(self, *layers: int) -> None:
        """Wait for those of these activations that are on their way back."""
        for layer in layers:
            if self._copies.arrived(layer):
                self._network.backend.protect(self._held[layer].array)

    def backward(self, action: Backward) -> Iterator[Gradient]:
        """Take the error back through a layer; yield its gradient, or add it to the sum of the row blocks so far."""
        network, layer, rows = self._network, action.layer, action.rows or (0, self._batch_size)
        self._await(layer - 1, layer)
        delta = self._held[layer].rows(rows)
        if layer == network.n_layers:
            network.backend.release(self._held[layer].array)
            y = self._y[rows[0] : rows[1], :]
            weights = None if self._weights is None else self._weights.rows(*rows)
            network.begin_backward(delta, y, weights, counts_cost=self._counts_cost)
        if layer > 1:
            network.backend.release(self._held[layer - 1].array)
        a = self._widened(layer - 1, rows) if network.is_half(layer - 1) else self._held[layer - 1].rows(rows)
        whole = rows == (0, self._batch_size)
        place = self._place(rows)
        onto = self._uptake == ONTO_VELOCITY or (whole and self._uptake == ONTO_WEIGHTS)
        if onto:
            begins, ends = rows[0] == 0, rows[1] == self._batch_size
            how = {"rate": self._rate, "begins": begins, "ends": ends, **self._pieces}
            network.backward_onto(layer, a, delta, self._room, place=place, **how)
        elif whole:
            yield from network.backward_layer(
                layer, a, delta, self._room, in_pieces=self._in_pieces, place=place, **self._pieces
            )
        else:
            again = layer in self._sums
            total = self._sums[layer] if again else self._new_sum(layer)
            below = self._sums.get(layer - 1)
            network.add_backward_layer(
                layer, a, delta, total, self._room, onto=again, next_total=below, place=place, **self._pieces
            )
            del total
        del a, delta
        if layer - 1 in self._errors and rows[1] == self._end(layer - 1):
            self._room.give(self._held[layer - 1].array)
            self._held[layer - 1] = self._errors.pop(layer - 1)
        if rows[1] == self._end(layer):
            self._room.give(self._held.pop(layer).array)
        if layer in self._sums and rows[1] == self._batch_size:
            total = self._sums.pop(layer)
            yield total
            if self._in_pieces:  # it was valid until now
                self._room.give(total.weight)
                self._room.give(total.bias)

    def _place(self, rows: Rows) -> tuple[int, int]:
        """The step, and the first of `rows` in the whole mini-batch."""
        return self._step, self._first_row + rows[0]

    def _widened(self, layer: int, rows: Rows) -> Any:
        """Rows of an activation in halves, in the array that its error will be in."""
        held, network = self._held[layer], self._network
        if rows[0] == held.first:
            self._errors[layer] = _Held(self._room.take(held.array.shape), held.first)
        error = self._errors[layer].rows(rows)
        network.widen(error, held.rows(rows))
        return error

    def _end(self, layer: int) -> int:
        held = self._held[layer]
        return held.first + int(held.array.shape[0])

    def _new_sum(self, layer: int) -> Gradient:
        """Arrays for a layer's gradient, which row blocks are added onto; their values are not set."""
        network = self._network
        shapes = [p[layer - 1].shape for p in (network.weights, network.biases)]
        if self._in_pieces:
            weight, bias = (self._room.take(shape) for shape in shapes)
        else:  # they belong to whoever asks for the gradient
            weight, bias = (network.backend.empty(shape, network.dtype) for shape in shapes)
        self._sums[layer] = Gradient(layer, weight, bias, rows=self._batch_size)
        return self._sums[layer]
