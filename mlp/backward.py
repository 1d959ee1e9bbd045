"""What one layer does with arrays in a step backward: its gradient, whole or in pieces, and the error below it.

As in `mlp.layers`, whoever runs a step says which layer is next.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mlp.buffers import Room
from mlp.errors import not_finite
from mlp.gradient import Gradient
from mlp.halves import Halves
from mlp.overriding import in_program
from mlp.pieces import error_piece_rows, gradient_piece_rows


class Backward(Halves):
    """Layers that are run backward: a layer's gradient, and its output turned into the error of the layer below."""

    whole_gradients = False
    """Whether a layer's gradient is to be whole before any of it is applied."""

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
        run = self._backward_step(layer, a, delta, piece, place)
        for first in range(0, n_in, rows):
            part = gradient[: min(rows, n_in - first), :]
            run(first=first, weight=part, bias=None if first else bias)
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
        run = self._backward_step(layer, a, delta, piece, place, **onto)
        for first in range(0, n_in, rows):
            part = total.weight[first : min(first + rows, n_in), :]
            run(first=first, weight=part, bias=None if first else total.bias)
        if piece is not None:
            room.give(piece)

    def _backward_step(
        self,
        layer: int,
        a: Any,
        delta: Any,
        piece: Any,
        place: tuple[int, int] | None,
        *,
        onto: bool = False,
        factor: float = 1.0,
        keep: float = 1.0,
        soon: Any = None,
    ) -> Callable[..., None]:
        """One layer's backward step on some rows of the mini-batch, to be called with `first`, `weight` and `bias`.

        Each call makes the gradient of the inputs from `first` on: written over what is in `weight` and `bias`, None
        but for the first of them, or with `onto`, `factor` times it is added onto `keep` times that. `soon` is the
        array needed next, to prefetch.
        """
        below, next_weight, drop = None, None, None
        self.at_layer(layer)
        if layer > 1:
            self.backend.release(a)
            below, next_weight = self.layer_activation(layer - 1), self.weights[layer - 2]
            drop = self.drop_of(layer - 1, place)
        return partial(
            self.backend.backward_layer_,
            a,
            delta,
            self.weights[layer - 1],
            below,
            onto=onto,
            factor=factor,
            keep=keep,
            piece=piece,
            soon=(soon, next_weight),
            drop=drop,
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

        This comes before anything of the layer is applied. In a watched step the device looks itself. Elsewhere, as in
        `backprop` that somebody calls, asking means waiting for a device: only the last layer is asked about there.
        """
        if self.watch is not None and (layer < self.n_layers or self.watch.is_open):
            return
        if not self.backend.all_finite(error):
            raise not_finite("error", layer)
