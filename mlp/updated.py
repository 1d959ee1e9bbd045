"""Layers whose parameters an optimizer changes, and the arrays that it keeps for that from step to step."""

from collections.abc import Callable
from typing import Any

from backend import Backend
from mlp.gradient import Gradient
from mlp.inference import Inference
from mlp.optimizers import Optimizer, Ruled, StepFacts
from mlp.overriding import in_program
from mlp.program import Programs


class Updated(Inference):
    """Layers with an optimizer. Its state counts as rest, and copies have their own."""

    optimizer: Optimizer | Ruled
    optimizer_state: dict[str, tuple[tuple[Any, Any], ...]]
    """The arrays that the optimizer keeps: by name, a pair for the weights and the bias of each layer."""

    momentum: float
    """The optimizer's, or 0."""

    steps_trained: int
    """How many steps the network has had: an optimizer's corrections and a learning rate may follow from it."""

    def use_optimizer(self, optimizer: Optimizer | Ruled) -> None:
        """Change parameters by `optimizer` from now on; its state is zero, and steps are counted anew."""
        self.optimizer, self.steps_trained = optimizer, 0
        self.momentum = float(getattr(optimizer, "momentum", 0.0))
        self.whole_gradients = isinstance(optimizer, Ruled) and optimizer.clip is not None
        self.optimizer_state = {name: self._zeros() for name in optimizer.state_names}
        self._forget_steps()

    def _forget_steps(self) -> None:
        """Make anew what was made for the steps of another optimizer."""
        self.programs = Programs()

    def _zeros(self) -> tuple[tuple[Any, Any], ...]:
        """Arrays of zeros in the shapes of each layer's weights and bias."""
        pair = [self.backend.empties([a.shape for a in arrays], self.dtype) for arrays in (self.weights, self.biases)]
        for array in (*pair[0], *pair[1]):
            array[...] = 0
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
                    array[...] = self.backend.asarray(value)
