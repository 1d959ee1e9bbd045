"""A step of plain backpropagation: the gradients of a mini-batch, layer by layer, and what they change.

The derivative of each activation is a function of its output, so pre-activations are never kept, and everything
elementwise is in place.

Source of the equations: M. A. Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with rows for columns.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mlp.arguments import check_rate
from mlp.errors import NetworkError, TrainingError
from mlp.gradient import Gradient
from mlp.keywords import naming_keywords
from mlp.overriding import in_program, is_as_written
from mlp.plain import places_of, write
from mlp.program import Written
from mlp.records import Records
from mlp.uptake import IN_PIECES, ONTO_VELOCITY
from mlp.watched import SPOILT, Watched

STEP_METHODS = (
    "backprop",
    "cost_derivative",
    "apply_gradient",
    "forward_layer",
    "new_activation",
    "add_cost",
    "begin_backward",
    "to_output_delta",
    "backward_layer",
    "backward_onto",
)
"""What a step of a `Network` is made of, which a subclass may have of its own."""

INPUT_METHODS = "as_batch", "check_inputs"
"""What looks at a mini-batch before a step, which a subclass may have of its own too."""


class Steps(Watched):
    """Layers with an optimizer, and the steps that a `Network` of them takes."""

    @in_program
    def backprop(self, X: Any, y: Any, *, in_pieces: bool = False, rate: float | None = None) -> Iterator[Gradient]:
        """Yield the gradient of each layer, from the last to the first, as soon as it exists.

        `X` (batch, n_0) and `y` (batch, n_L), one-hot or any target, both of the network's dtype. A gradient is yielded
        after the error has gone through the layer's weights, so it may be applied to them at once. All activations are
        kept until their layer's turn.

        `in_pieces`: yield each layer's gradient in pieces instead, each of some rows and valid only until the next is
        yielded. This is what `update_mini_batch` uses: its peak is the one that is predicted, and its cost is added to
        `cost_total`.

        `rate`: let each gradient change the weights at this rate as it is made, and yield none, where the optimizer and
        the backend can do that with no array for it (`mlp.uptake`).

        Raises `TrainingError` as soon as a layer's error is not finite.
        """
        X, y = self.as_batch(X, y)
        rate = None if self.uptake == IN_PIECES else rate
        weights = None if self.row_weights is None else self.row_weights.values
        if self.stored is not None:
            yield from self._backprop_of_halves(X, y, weights, in_pieces=in_pieces, rate=rate)
            return
        room = self.buffers.begin(places_of(self, X.shape[0], in_pieces=in_pieces, onto=rate is not None))
        try:
            activations, place = [X], (self.steps_trained, 0)
            for layer in range(1, self.n_layers + 1):
                offering = self.buffers.offering(room.take((X.shape[0], self.sizes[layer])))
                with offering, self.in_training(*place):
                    activations.append(self.new_activation(layer, activations[-1]))
            delta = activations.pop()
            self.begin_backward(delta, y, weights, counts_cost=in_pieces)
            for layer in range(self.n_layers, 0, -1):
                a = activations.pop()
                if rate is None:
                    yield from self.backward_layer(layer, a, delta, room, in_pieces=in_pieces, place=place)
                else:
                    self.backward_onto(layer, a, delta, room, rate=rate, place=place)
                self.count.actions += 1
                room.give(delta)
                delta = a  # which now holds the error of the layer below
        finally:
            room.end()

    def _backprop_of_halves(
        self, X: Any, y: Any, weights: Any, *, in_pieces: bool, rate: float | None
    ) -> Iterator[Gradient]:
        """`backprop` with hidden activations kept in two bytes; each array comes from the allocator."""
        room, place, rows = self.buffers.begin_apart(), (self.steps_trained, 0), X.shape[0]
        activations = [X]
        for layer in range(1, self.n_layers + 1):
            working = self.take_working(room, layer, rows)
            out = self.take_activation(room, layer, rows)
            with self.in_training(*place):
                self.run_forward(layer, activations[-1], out=out, working=working)
            activations.append(out)
            del working, out
        delta = activations.pop()
        self.begin_backward(delta, y, weights, counts_cost=in_pieces)
        for layer in range(self.n_layers, 0, -1):
            kept = a = activations.pop()
            if layer > 1:
                a = room.take((rows, self.sizes[layer - 1]))
                self.widen(a, kept)
            if rate is None:
                yield from self.backward_layer(layer, a, delta, room, in_pieces=in_pieces, place=place)
            else:
                self.backward_onto(layer, a, delta, room, rate=rate, place=place)
            self.count.actions += 1
            delta = a
            del kept  # which the step was predicted with

    # The same in one call, where the backend can: `mlp.program`

    def steps_are_as_written(self) -> bool:
        """Whether a program of `write_step` does what the methods of this network do."""
        return self.stored is None and is_as_written(self, STEP_METHODS)

    def written_from(self, rows: int) -> Any:
        """What the actions of a step on `rows` rows follow from."""
        return None

    def made_from(self, rows: int) -> tuple[Any, ...]:
        """What a step on `rows` rows is made from beside arrays: it is made again when one is another object."""
        return self.written_from(rows), self.optimizer, self.dropped_below, self.cost, self.error_activation

    def write_step(self, rows: int, records: Records) -> Written:
        """`update_mini_batch` on `rows` rows as records."""
        return write(self, rows, records)

    @in_program
    def cost_derivative(self, output_activations: Any, y: Any) -> Any:
        """The derivative of the quadratic cost by the output: a_L - y. Of the others, by the output's input.

        A subclass may have its own, for another cost; it is called in each step then, and what it allocates is its own.
        """
        return output_activations - y

    @in_program
    def to_output_delta(self, a: Any, y: Any) -> None:
        if type(self).cost_derivative is Steps.cost_derivative:
            super().to_output_delta(a, y)  # the same, in place
            return
        name = "what cost_derivative returns"
        derivative = self.as_rows(name, self.cost_derivative(a, y), self.sizes[-1])
        if derivative.shape[0] != a.shape[0]:
            raise NetworkError(f"{name} must have {a.shape[0]} rows, as the output has; got {derivative.shape[0]}")
        self.backend.release(a)
        self.at_layer(self.n_layers + 1)  # below which this error is
        self.backend.hidden_delta_(a, derivative, self.error_activation)
        self.at_layer(self.n_layers)

    # Learning

    def expect_batches(self, sizes: Sequence[int]) -> None:
        """Mini-batches of `sizes` rows come next. A subclass raises its error where it cannot take steps on them."""

    @naming_keywords()
    def update_mini_batch(self, X: Any, y: Any, *, eta: float, weights: Any = None) -> None:
        """One step: w -= eta / batch * gradient by plain gradient descent, or what the network's optimizer does.

        `weights` (batch,): how much each sample counts, from 0 on; the step is then that of the weighted mean. Where
        all are 0, so is the gradient. `RowWeights`, which `mlp.row_weights.row_weights` returns and `SGD` makes before
        each step, are at rest as the mini-batch is. A plain array is converted first, and the result held until the
        step is over: batch * itemsize bytes beyond those that are predicted.

        Raises `TrainingError` for a layer's output or error that is not finite, before anything of that layer changes.
        Under momentum in row blocks, earlier blocks are in its velocity then, and in those of others; its weights are
        as they were. `save` refuses such a network.

        On a GPU, which the host does not wait for, the step that begins next raises it, or `look`: what the device has
        refused, it has refused of all steps since, and `steps_trained` is that of before the bad one.
        """
        self.look()
        in_one_call = self.programs.can_step(self)
        take = self._take_in_one_call if in_one_call else self._take_planned_or_by_actions
        unseen = in_one_call and is_as_written(self, INPUT_METHODS)  # the program looks at X
        X, y = self.as_matrices(X, y) if unseen else self.as_batch(X, y)
        rate = check_rate(eta, self.dtype, rows=X.shape[0]) / X.shape[0]
        try:
            if weights is None and self.watch is None:
                take(X, y, rate)
            else:
                with self.weighting(weights, X.shape[0]), self.watching(X.shape[0], rate) as rate:
                    take(X, y, rate)
        except TrainingError as error:
            if self.uptake != ONTO_VELOCITY or not self.works_in_row_blocks(X.shape[0]):
                raise
            self.velocities_are_spoilt = True
            raise TrainingError(f"{error.problem}; {SPOILT}", layer=error.layer) from None
        self.steps_trained += 1

    def _take_in_one_call(self, X: Any, y: Any, rate: float) -> None:
        self.programs.step(self, X, y, rate, checked=self._inputs_are_finite)

    def _take_planned_or_by_actions(self, X: Any, y: Any, rate: float) -> None:
        if not self.recorded.step(self, X, y, rate):
            self.take_actions(X, y, rate)

    def take_actions(self, X: Any, y: Any, rate: float) -> None:
        """What a step does, action by action; `X` is known to be finite, and `rate` is eta / batch."""
        onto = {} if self.uptake == IN_PIECES else {"rate": rate}
        with self.trusting_inputs():
            for gradient in self.backprop(X, y, in_pieces=True, **onto):
                self.apply_gradient(gradient, rate)
                del gradient  # or it would be held while the next one is made
