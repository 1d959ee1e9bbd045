"""The layers of a network: their parameters, and what one layer does with arrays in a step forward.

Layer l = 1 .. L takes a_{l-1} (rows, n_{l-1}) to a_l = activation(a_{l-1} W_l + b_l), (rows, n_l); `weights[l - 1]` is
W_l and `biases[l - 1]` is b_l. Knows no data sets, no costs to report and no order of steps: whoever runs a step says
which layer is next. The step backward is in `mlp.backward`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backend import Backend
from backend.dropping import Drop
from mlp.costs import error_activation
from mlp.errors import not_finite
from mlp.overriding import in_program
from mlp.precision import FULL
from mlp.row_weights import RowWeights, row_weights
from mlp.store import Store


class Layers(Store):
    """Layers of `sizes` on `backend`, with one activation each and a cost; the values of the parameters are not set."""

    seed = 0

    def __init__(
        self,
        sizes: tuple[int, ...],
        activations: tuple[str, ...],
        *,
        cost: str,
        dtype: str,
        backend: Backend,
        precision: str = FULL,
    ) -> None:
        super().__init__(sizes, dtype=dtype, backend=backend, precision=precision)
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
        self.at_layer(layer, forward=True)
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
    def begin_backward(self, a: Any, y: Any, weights: Any = None, *, counts_cost: bool) -> None:
        """Turn `a` = a_L of some rows of a step into delta_L, in place; first add their cost, where `counts_cost`.

        `weights` (rows,): those of these rows, or None.
        """
        if counts_cost:
            self.add_cost(a, y, weights)
        self.at_layer(self.n_layers)
        self.to_output_delta(a, y)
        if weights is not None:
            self.backend.scale_rows_(a, weights)

    @in_program
    def to_output_delta(self, a: Any, y: Any) -> None:
        """Turn `a` = a_L into delta_L, in place."""
        self.backend.release(a)
        self.backend.output_delta_(a, y, self.error_activation)
