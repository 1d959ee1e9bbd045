"""Layers whose parameters an optimizer changes, and the arrays that it keeps for that from step to step."""

from collections.abc import Callable
from typing import Any

from backend import Backend
from mlp.backward import Backward
from mlp.buffers import Room
from mlp.gradient import Gradient
from mlp.inference import Inference
from mlp.optimizers import Optimizer, Ruled, StepFacts
from mlp.overriding import in_program, is_as_written
from mlp.program import Programs
from mlp.recorded import RecordedSteps
from mlp.uptake import IN_PIECES, ONTO_VELOCITY, fits_onto_weights, uptake_of

UPTAKE_METHODS = ("backprop", "backward_layer", "add_backward_layer", "apply_gradient")
"""What makes gradients and takes them up in pieces. A subclass with one of its own gets every gradient."""


class Updated(Backward, Inference):
    """Layers with an optimizer. Its state counts as rest, and copies have their own."""

    optimizer: Optimizer | Ruled
    optimizer_state: dict[str, tuple[tuple[Any, Any], ...]]
    """The arrays that the optimizer keeps: by name, a pair for the weights and the bias of each layer."""
    velocities_are_spoilt: bool
    """Whether velocities hold some row blocks of a mini-batch whose step met a number that is not finite."""

    steps_trained: int
    """How many steps the network has had: an optimizer's corrections and a learning rate may follow from it."""

    @property
    def momentum(self) -> float:
        """The optimizer's, or 0."""
        return float(getattr(self.optimizer, "momentum", 0.0))

    def use_optimizer(self, optimizer: Optimizer | Ruled) -> None:
        """Change parameters by `optimizer` from now on; its state is zero, and steps are counted anew."""
        self.optimizer, self.steps_trained, self.velocities_are_spoilt = optimizer, 0, False
        self.whole_gradients = isinstance(optimizer, Ruled) and optimizer.clip is not None
        self.optimizer_state = {name: self._zeros() for name in optimizer.state_names}
        self._forget_steps()

    def _forget_steps(self) -> None:
        """Make anew what was made for the steps of another optimizer."""
        self.programs, self.recorded = Programs(), RecordedSteps()

    def _zeros(self) -> tuple[tuple[Any, Any], ...]:
        """Arrays of zeros in the shapes of each layer's weights and bias."""
        pair = [self.backend.empties([a.shape for a in arrays], self.dtype) for arrays in (self.weights, self.biases)]
        for array in (*pair[0], *pair[1]):
            self.backend.set_(array, 0)
        return tuple(zip(*pair, strict=True))

    @property
    def velocities(self) -> tuple[tuple[Any, Any], ...]:
        """The velocity of each layer's weights and bias under momentum; empty without."""
        return self.optimizer_state.get("velocity", ())

    @in_program
    def apply_gradient(self, gradient: Gradient, rate: float) -> None:
        """Change a layer's parameters by its gradient, or a piece of it; `rate` is eta / batch.

        It is that of step `steps_trained` + 1. `update_mini_batch` counts steps, and so must a loop of your own.
        """
        k = gradient.layer - 1
        self.at_layer(gradient.layer)
        rows = slice(gradient.first, gradient.first + gradient.weight.shape[0])
        kept = [pairs[k] for pairs in self.optimizer_state.values()]
        apply = self._applying(gradient)
        apply(self.backend, self.weights[k][rows, :], gradient.weight, [weight[rows, :] for weight, _ in kept], rate)
        if gradient.bias is not None:
            apply(self.backend, self.biases[k], gradient.bias, [bias for _, bias in kept], rate)

    def _applying(self, gradient: Gradient) -> Callable[[Backend, Any, Any, list[Any], float], None]:
        """The optimizer's `apply` in this step, for this gradient."""
        if not isinstance(self.optimizer, Ruled):
            return self.optimizer.apply
        norm = self.backend.gradient_norm(gradient.weight, gradient.bias) if self.whole_gradients else None
        return self.optimizer.in_step(StepFacts(gradient.rows, self.steps_trained + 1, norm)).apply

    @property
    def uptake(self) -> str:
        """How steps take up the gradient of a layer, see `mlp.uptake`."""
        as_written = is_as_written(self, UPTAKE_METHODS)
        return uptake_of(self.optimizer, self.backend.facts) if as_written else IN_PIECES

    @in_program
    def backward_onto(
        self,
        layer: int,
        a: Any,
        delta: Any,
        room: Room,
        *,
        rate: float,
        begins: bool = True,
        ends: bool = True,
        pieces: str = "large",
        planned_rows: int | None = None,
        place: tuple[int, int] | None = None,
    ) -> None:
        """`backward_layer` with the gradient added onto the weights, or the velocity, at once: none is yielded.

        `rate` is eta / batch. `begins` and `ends`: whether these rows are the first of the mini-batch and the last; row
        blocks add onto the velocity alone. Raises `TrainingError` before anything is changed by these rows.
        """
        self._check_error(layer, delta)
        self.at_layer(layer)
        if self.uptake == ONTO_VELOCITY:
            weight, bias = self.velocities[layer - 1]
            keep = self.momentum if begins else 1.0
            onto = {"onto": True, "factor": -rate, "keep": keep}
            self._add_rows(layer, a, delta, Gradient(layer, weight, bias), room, pieces, planned_rows, place, **onto)
            for w, v in ((self.weights[layer - 1], weight), (self.biases[layer - 1], bias)) if ends else ():
                self.backend.apply_gradient_(w, v, -1.0)  # w += v
            return
        rows, n_out = delta.shape
        width, error_rows = self.piece_rows(layer, rows, pieces, planned_rows)
        if fits_onto_weights(layer, rows=rows, n_out=n_out, error_rows=error_rows):
            self._add_onto_weights(layer, a, delta, room, width=width, rate=rate, place=place)
            return
        own: dict[str, Any] = {"pieces": pieces, "planned_rows": planned_rows, "place": place}
        for gradient in self.backward_layer(layer, a, delta, room, in_pieces=True, **own):
            self.apply_gradient(gradient, rate)

    def _add_onto_weights(
        self,
        layer: int,
        a: Any,
        delta: Any,
        room: Room,
        *,
        width: int,
        rate: float,
        place: tuple[int, int] | None,
    ) -> None:
        W, b, below, piece, drop = self.weights[layer - 1], self.biases[layer - 1], None, None, None
        if layer > 1:
            self.backend.release(a)
            drop = self.drop_of(layer - 1, place)
            below, piece = self.layer_activation(layer - 1), room.take((delta.shape[0] * width,))
        for first in range(0, W.shape[0], width):
            part = {"first": first, "width": min(width, W.shape[0] - first)}
            self.backend.backward_onto_weights_(
                a, delta, W, None if first else b, below, **part, rate=rate, piece=piece, drop=drop
            )
        if piece is not None:
            room.give(piece)

    def __getstate__(self) -> dict[str, Any]:
        host = self.backend.to_numpy
        state = {name: [(host(w), host(b)) for w, b in pairs] for name, pairs in self.optimizer_state.items()}
        return super().__getstate__() | {"optimizer_state": state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = state.pop("optimizer_state")
        super().__setstate__(state)
        self.optimizer_state = {name: self._zeros() for name in values}
        for name, pairs in values.items():
            for arrays, saved in zip(self.optimizer_state[name], pairs, strict=True):
                for array, value in zip(arrays, saved, strict=True):
                    self.backend.set_(array, self.backend.asarray(value))
