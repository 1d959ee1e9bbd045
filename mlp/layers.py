"""The layers of a network: their parameters, and what one layer does with arrays in a step.

Layer l = 1 .. L takes a_{l-1} (rows, n_{l-1}) to a_l = activation(a_{l-1} W_l + b_l), (rows, n_l); `weights[l - 1]` is
W_l and `biases[l - 1]` is b_l. Knows no data sets, no costs to report and no order of steps: whoever runs a step says
which layer is next.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from backend import Backend
from backend.dropping import Drop
from mlp.buffers import Room
from mlp.costs import error_activation
from mlp.errors import not_finite
from mlp.gradient import Gradient
from mlp.overriding import in_program
from mlp.pieces import error_piece_rows, gradient_piece_rows
from mlp.row_weights import RowWeights, row_weights
from mlp.store import Store


@dataclass(frozen=True, slots=True)
class BackwardStep:
    """One layer's backward step on some rows of the mini-batch.

    `a` = a_{l-1} becomes delta_{l-1} in place, but for layer 1, whose input stays as it is; `delta` = delta_l. The
    gradient is made `gradient_rows` rows at a time, and written over what is there or, with `onto`, `factor` times it
    is added onto `keep` times that. `piece` is room for a piece of the error below, None where the backend needs none.
    `soon` are the arrays needed next, to prefetch. `drop` is what was dropped of `a`.
    """

    layer: int
    a: Any
    delta: Any
    below: str | None
    gradient_rows: int
    piece: Any = None
    onto: bool = False
    factor: float = 1.0
    keep: float = 1.0
    soon: tuple[Any, Any] = (None, None)
    drop: Drop | None = None


class Layers(Store):
    """Layers of `sizes` on `backend`, with one activation each and a cost; the values of the parameters are not set."""

    seed = 0
    whole_gradients = False
    """Whether a layer's gradient is to be whole before any of it is applied."""

    def __init__(
        self, sizes: tuple[int, ...], activations: tuple[str, ...], *, cost: str, dtype: str, backend: Backend
    ) -> None:
        super().__init__(sizes, dtype=dtype, backend=backend)
        self._activations = activations
        self.cost = cost
        self.error_activation = error_activation(cost, activations[-1])
        """The activation whose slope is in the output error; "identity" where the cost cancels it."""
        self.dropped_below = (0,) * len(activations)
        """What `Drop.below` is for each layer; 0 where no output is dropped."""
        self._at: tuple[int, int] | None = None
        self.row_weights: RowWeights | None = None
        """The weights of the samples of the step that begins next; None where all are 1."""
        self.is_finite = True
        """Whether the layer that ran last has given finite numbers, as far as its backend has looked."""

    def layer_activation(self, layer: int) -> str:
        """The name of layer `layer`'s activation, 1 .. L."""
        return self._activations[layer - 1]

    @contextmanager
    def in_training(self, step: int, row: int) -> Iterator[None]:
        """A block in which layers run forward for a step, the number of those before it, on rows from `row` on.

        So they drop outputs, the same ones whenever a row is run in that step. Elsewhere none is dropped.
        """
        before, self._at = self._at, (step, row)
        try:
            yield
        finally:
            self._at = before

    def drop_of(self, layer: int, place: tuple[int, int] | None) -> Drop | None:
        """What is dropped of a layer's output in a step, on rows from one on; None for nothing."""
        below = self.dropped_below[layer - 1]
        return Drop(below, self.seed, place[0], layer, place[1]) if below and place is not None else None

    @contextmanager
    def weighting(self, weights: Any, rows: int) -> Iterator[None]:
        """A block in which a step's samples have `weights` (rows,): gradients are those of a weighted mean.

        They are divided by their sum over the whole mini-batch, and times the number of rows.
        """
        before = self.row_weights
        if weights is not None:
            self.row_weights = row_weights(weights, rows, dtype=self.dtype, backend=self.backend)
        try:
            yield
        finally:
            self.row_weights = before

    # Forward

    @in_program
    def forward_layer(self, layer: int, a: Any, *, out: Any) -> Any:
        """Write a_layer to `out`, (rows, n_layer), from `a` = a_{layer-1}; returns `out`."""
        weights, k = self.weights, layer - 1
        soon = weights[layer] if layer < len(weights) else None
        activation = self.layer_activation(layer)
        drop = self.drop_of(layer, self._at)
        self.is_finite = self.backend.forward_layer_(
            a, weights[k], self.biases[k], activation, out=out, soon=soon, drop=drop
        )
        return out

    @in_program
    def new_activation(self, layer: int, a: Any) -> Any:
        """a_layer from `a` = a_{layer-1}, in a new array or the step's next, protected until its backward step.

        Raises `TrainingError` where the backend has seen a value that is not finite.
        """
        activation = self.forward_layer(layer, a, out=self.buffers.offered((a.shape[0], self.sizes[layer])))
        self.check_output(layer)
        self.backend.protect(activation)
        return activation

    def check_output(self, layer: int) -> None:
        """Raise `TrainingError` if the output of this layer, which has just run, is known to be not finite.

        An infinity can make an activation above it flat, so that no error shows it, and spoil that layer's gradient.
        """
        if not self.is_finite:
            raise not_finite("output", layer)

    @in_program
    def add_cost(self, a: Any, y: Any, weights: Any = None) -> None:
        """Add the cost of the outputs `a` to `cost_total`, as a step does before they become the error.

        `weights` (rows,): those of these rows, or None.
        """
        self.cost_total.add(a, y, self.cost, weights)

    @in_program
    def to_output_delta(self, a: Any, y: Any) -> None:
        """Turn `a` = a_L into delta_L, in place."""
        self.backend.release(a)
        self.backend.output_delta_(a, y, self.error_activation)

    # Backward

    @in_program
    def backward_layer(
        self,
        layer: int,
        a: Any,
        delta: Any,
        room: Room,
        *,
        in_pieces: bool,
        pieces: str = "large",
        planned_rows: int | None = None,
        place: tuple[int, int] | None = None,
    ) -> Iterator[Gradient]:
        """Yield the gradient of one layer, and turn `a` = a_{layer-1} into delta_{layer-1}, in place.

        `delta` = delta_layer is (rows, n_l); for layer 1, `a` is the input and stays as it is. Live beside the two: a
        piece of the weight gradient (`in_pieces`) or all of it, the bias gradient and, where the backend can't do
        without, a piece of the error below. `pieces` for `planned_rows` say how large they are (`mlp.pieces`). `place`:
        the step and the first row that the layers were run forward with (`in_training`).
        """
        n_in, n_out = self.weights[layer - 1].shape
        # A gradient in pieces lives until the next is asked for; a whole one belongs to whoever asked for it.
        new = room.take if in_pieces else lambda shape: self.backend.empty(shape, self.dtype)
        rows = self._gradient_rows(layer, delta, pieces, planned_rows) if in_pieces else n_in
        bias, gradient = new((n_out,)), new((rows, n_out))
        piece = self._piece_of_error(room, layer, delta, rows, pieces, planned_rows)
        step = self._backward_step(layer, a, delta, rows, piece, place)
        for first in range(0, n_in, rows):
            part = gradient[: min(rows, n_in - first), :]
            self._run(step, first, part, None if first else bias)
            if not first:
                self._check_error(layer, bias)
            yield Gradient(layer, part, bias if first + rows >= n_in else None, first, delta.shape[0])
        if piece is not None:
            room.give(piece)
        if in_pieces:
            room.give(bias)
            room.give(gradient)

    @in_program
    def add_backward_layer(
        self,
        layer: int,
        a: Any,
        delta: Any,
        total: Gradient,
        room: Room,
        *,
        onto: bool,
        pieces: str = "large",
        planned_rows: int | None = None,
        next_total: Gradient | None = None,
        place: tuple[int, int] | None = None,
    ) -> None:
        """`backward_layer` for some rows of the mini-batch: their gradient is written to `total`, or added `onto` it.

        `next_total` is that of the layer below, if it has one yet, which these rows are added onto next.
        """
        soon = None if next_total is None else next_total.weight
        self._add_rows(layer, a, delta, total, room, pieces, planned_rows, place, onto=onto, soon=soon)
        self._check_error(layer, total.bias)

    def _add_rows(
        self,
        layer: int,
        a: Any,
        delta: Any,
        total: Gradient,
        room: Room,
        pieces: str,
        planned_rows: int | None,
        place: tuple[int, int] | None,
        **onto: Any,
    ) -> None:
        """Do a backward step whose gradient goes to `total`; `onto` says how, as `_backward_step` takes it."""
        rows = n_in = self.weights[layer - 1].shape[0]
        if not self.backend.facts.error_in_place:
            rows = self._gradient_rows(layer, delta, pieces, planned_rows)
        piece = self._piece_of_error(room, layer, delta, rows, pieces, planned_rows)
        step = self._backward_step(layer, a, delta, rows, piece, place, **onto)
        for first in range(0, n_in, rows):
            part = total.weight[first : min(first + rows, n_in), :]
            self._run(step, first, part, None if first else total.bias)
        if piece is not None:
            room.give(piece)

    def _backward_step(
        self,
        layer: int,
        a: Any,
        delta: Any,
        rows: int,
        piece: Any,
        place: tuple[int, int] | None,
        *,
        onto: bool = False,
        factor: float = 1.0,
        keep: float = 1.0,
        soon: Any = None,
    ) -> BackwardStep:
        if layer == 1:
            return BackwardStep(layer, a, delta, None, rows, piece, onto, factor, keep, (soon, None))
        self.backend.release(a)
        below, next_weight = self.layer_activation(layer - 1), self.weights[layer - 2]
        drop = self.drop_of(layer - 1, place)
        return BackwardStep(layer, a, delta, below, rows, piece, onto, factor, keep, (soon, next_weight), drop)

    def _run(self, step: BackwardStep, first: int, weight: Any, bias: Any) -> None:
        """Do a backward step for the inputs from `first` on; `bias` is None but for the first of them."""
        self.backend.backward_layer_(
            step.a,
            step.delta,
            self.weights[step.layer - 1],
            step.below,
            first=first,
            weight=weight,
            bias=bias,
            onto=step.onto,
            factor=step.factor,
            keep=step.keep,
            piece=step.piece,
            soon=step.soon,
            drop=step.drop,
        )

    def _gradient_rows(self, layer: int, delta: Any, pieces: str, planned_rows: int | None) -> int:
        return self.piece_rows(layer, delta.shape[0], pieces, planned_rows)[0]

    def piece_rows(
        self, layer: int, rows: int, pieces: str = "large", planned_rows: int | None = None
    ) -> tuple[int, int]:
        """The rows of a piece of the weight gradient and of a piece of the error, in a backward step on `rows` rows."""
        n_in, n_out, whole = self.sizes[layer - 1], self.sizes[layer], self.whole_gradients
        return (
            gradient_piece_rows(
                rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows, whole=whole
            ),
            error_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows, whole=whole),
        )

    def _piece_of_error(
        self, room: Room, layer: int, delta: Any, gradient_rows: int, pieces: str, planned_rows: int | None
    ) -> Any:
        """An array for the piece of the error that is made apart; None where there is none."""
        if layer == 1 or self.backend.facts.error_in_place:
            return None
        return room.take((self.piece_rows(layer, delta.shape[0], pieces, planned_rows)[1] * gradient_rows,))

    def _check_error(self, layer: int, error: Any) -> None:
        """Raise `TrainingError` if the error of a layer holds a NaN or an infinity: then so does its sum over the rows.

        `error` is one of the two.

        This comes before anything of the layer is applied. Where asking means waiting for the device, only the last
        layer is asked about: what goes wrong below it shows there a step later.
        """
        if layer < self.n_layers and self.backend.facts.asynchronous:
            return
        if not self.backend.all_finite(error):
            raise not_finite("error", layer)
