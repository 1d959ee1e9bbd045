"""The network: parameters, the forward pass, plain backpropagation and the update of one mini-batch.

Rows are samples. Layer l = 1 .. L takes a_{l-1} (batch, n_{l-1}) to a_l = activation(a_{l-1} W_l + b_l), (batch, n_l);
`weights[l - 1]` is W_l and `biases[l - 1]` is b_l. The derivative of each activation is a function of its output, so
pre-activations are never kept, and everything elementwise is in place.

Source of the equations: M. A. Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with rows for columns.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from backend import Backend, select_backend
from mlp.arguments import check_number
from mlp.buffers import Buffers
from mlp.errors import NetworkError, TrainingError
from mlp.gradient import Gradient
from mlp.initialization import INITIALIZATIONS, initial_parameters
from mlp.pieces import delta_block_rows, gradient_block_rows
from mlp.sizes import check_sizes
from mlp.training.batches import ArrayBatches
from mlp.training.loop import EVALUATED_ROWS, EpochRecord, accuracy, train

ACTIVATIONS = ("sigmoid", "tanh", "relu")
COSTS = ("quadratic", "cross-entropy")
DTYPES = ("float32", "float64")


class Network:
    """A multi-layer perceptron that is trained by stochastic gradient descent with plain backpropagation.

    `sizes`: n_0 inputs, then the units of each layer. `activation`: "sigmoid", "tanh" or "relu", of every layer, but
    that cost "cross-entropy" makes the last one softmax. `cost`: "quadratic" or "cross-entropy". `initialization`:
    "normal" or "scaled", see `mlp.initialization`. `dtype`: "float32" or "float64", of everything. `momentum`: 0 for
    plain gradient descent; above it, a velocity is kept for each parameter. `backend`: a name or a `Backend`.

    Raises `NetworkError` for an argument that makes no network, `BackendUnavailable` for the backend.

    >>> net = Network([2, 3, 1], seed=1)
    >>> net.weights[0].shape, net.biases[1].shape
    ((2, 3), (1,))
    """

    def __init__(
        self,
        sizes: Iterable[int],
        *,
        activation: str = "sigmoid",
        cost: str = "quadratic",
        initialization: str = "normal",
        dtype: str = "float32",
        momentum: float = 0.0,
        seed: int = 0,
        backend: str | Backend = "numpy",
    ) -> None:
        self.sizes = check_sizes(sizes)
        self.activation = _one_of("activation", activation, ACTIVATIONS)
        self.cost = _one_of("cost", cost, COSTS)
        self.initialization = _one_of("initialization", initialization, INITIALIZATIONS)
        self.dtype = _one_of("dtype", dtype, DTYPES)
        if not 0 <= check_number("momentum", momentum) < 1:
            raise NetworkError(f"momentum must be at least 0 and below 1; got {momentum!r}")
        if not (isinstance(seed, int) and seed >= 0):
            raise NetworkError(f"seed must be a whole number, 0 or more; got {seed!r}")
        self.momentum = float(momentum)
        self.seed = seed
        last = "softmax" if cost == "cross-entropy" else activation
        self._activations = (*[activation] * (self.n_layers - 1), last)
        self.backend = select_backend(backend)
        self.buffers = Buffers(self.backend, dtype)
        self.weights: list[Any] = self.backend.empties(pairwise(self.sizes), dtype)
        self.biases: list[Any] = self.backend.empties(((n_out,) for n_out in self.sizes[1:]), dtype)
        parameters = initial_parameters(
            self.sizes, initialization=initialization, activation=activation, dtype=dtype, seed=seed
        )
        for (W, b), weight, bias in zip(parameters, self.weights, self.biases, strict=True):
            weight[...] = self.backend.asarray(W)
            bias[...] = self.backend.asarray(b)
        self.backend.prepare(self.sizes, dtype)
        self.velocities: list[tuple[Any, Any]] = []
        if self.momentum:
            self.velocities = [
                (self.backend.zeros(W.shape, dtype), self.backend.zeros(b.shape, dtype))
                for W, b in zip(self.weights, self.biases, strict=True)
            ]

    @property
    def n_layers(self) -> int:
        """L: the number of layers that have weights."""
        return len(self.sizes) - 1

    def layer_activation(self, layer: int) -> str:
        """The name of layer `layer`'s activation, 1 .. L; "softmax" for the last one under cross-entropy."""
        return self._activations[layer - 1]

    # The forward pass

    def feedforward(self, X: Any) -> Any:
        """The network's output for `X` (batch, n_0): (batch, n_L), same dtype and device. Two layers are live."""
        a = self.as_inputs(X)
        for layer in range(1, self.n_layers + 1):
            a = self.forward_layer(layer, a, out=self.backend.empty((a.shape[0], self.sizes[layer]), self.dtype))
        return a

    def forward_layer(self, layer: int, a: Any, *, out: Any) -> Any:
        """Write a_layer to `out`, (rows, n_layer), from `a` = a_{layer-1}; returns `out`."""
        weights, k = self.weights, layer - 1
        soon = weights[layer] if layer < len(weights) else None
        self.backend.forward_layer_(a, weights[k], self.biases[k], self.layer_activation(layer), out=out, soon=soon)
        return out

    def new_activation(self, layer: int, a: Any) -> Any:
        """a_layer from `a` = a_{layer-1}, in an array of the step's, protected until its backward step."""
        activation = self.forward_layer(layer, a, out=self.buffers.take((a.shape[0], self.sizes[layer])))
        self.backend.protect(activation)
        return activation

    # Backpropagation

    def backprop(self, X: Any, y: Any, *, in_blocks: bool = False) -> Iterator[Gradient]:
        """Yield the gradient of each layer, from the last to the first, as soon as it exists.

        `X` (batch, n_0) and `y` (batch, n_L), one-hot or any target, both of the network's dtype. A gradient is yielded
        after the error has gone through the layer's weights, so it may be applied to them at once. All activations are
        kept until their layer's turn.

        `in_blocks`: yield each layer's gradient in blocks of rows instead, each of them valid only until the next is
        asked for. This is what `update_mini_batch` uses, and its peak is the one that is predicted.

        Raises `TrainingError` as soon as a layer's error is not finite.
        """
        X, y = self.as_batch(X, y)
        self.buffers.begin_step()
        activations = [X]
        for layer in range(1, self.n_layers + 1):
            activations.append(self.new_activation(layer, activations[-1]))
        delta = activations.pop()
        self.to_output_delta(delta, y)
        for layer in range(self.n_layers, 0, -1):
            a = activations.pop()
            yield from self.backward_layer(layer, a, delta, in_blocks=in_blocks)
            self.buffers.give(delta)
            delta = a  # which now holds the error of the layer below

    def cost_derivative(self, output_activations: Any, y: Any) -> Any:
        """The derivative of the quadratic cost by the output: a_L - y. Under cross-entropy, by softmax's input."""
        return output_activations - y

    def to_output_delta(self, a: Any, y: Any) -> None:
        """Turn `a` = a_L into delta_L, in place."""
        self.backend.release(a)
        self.backend.output_delta_(a, y, self.layer_activation(self.n_layers))

    def backward_layer(
        self,
        layer: int,
        a: Any,
        delta: Any,
        *,
        in_blocks: bool,
        pieces: str = "large",
        planned_rows: int | None = None,
    ) -> Iterator[Gradient]:
        """Yield the gradient of one layer, and turn `a` = a_{layer-1} into delta_{layer-1}, in place.

        `delta` = delta_layer is (rows, n_l); for layer 1, `a` is the input and stays as it is. Live beside the two: a
        block of the weight gradient, the bias gradient and, where the backend can't do without, a piece of the error
        below, in `pieces` for `planned_rows` (`mlp.pieces`).
        """
        backend, (n_in, n_out) = self.backend, self.weights[layer - 1].shape
        block = n_in
        if in_blocks:
            block = self._gradient_block_rows(layer, delta, pieces, planned_rows)
        # A gradient in blocks lives until the next is asked for; a whole one belongs to whoever asked for it.
        new = self.buffers.take if in_blocks else lambda shape: backend.empty(shape, self.dtype)
        bias, gradient = new((n_out,)), new((block, n_out))
        piece = self._piece_of_error(layer, delta, block, pieces, planned_rows)
        for first in range(0, n_in, block):
            part = gradient[: min(block, n_in - first), :]
            self._step_back(layer, a, delta, part, None if first else bias, first=first, piece=piece)
            if not first:
                self._check_error(layer, bias)
            yield Gradient(layer, part, bias if first + block >= n_in else None, first)
        if piece is not None:
            self.buffers.give(piece)
        if in_blocks:
            self.buffers.give(bias)
            self.buffers.give(gradient)

    def add_backward_layer(
        self,
        layer: int,
        a: Any,
        delta: Any,
        total: Gradient,
        *,
        onto: bool,
        pieces: str = "large",
        planned_rows: int | None = None,
        next_total: Gradient | None = None,
    ) -> None:
        """`backward_layer` for some rows of the mini-batch: their gradient is written to `total`, or added `onto` it.

        `next_total` is that of the layer below, if it has one yet, which these rows are added onto next.
        """
        n_in = block = self.weights[layer - 1].shape[0]
        if not self.backend.error_in_place:
            block = self._gradient_block_rows(layer, delta, pieces, planned_rows)
        piece = self._piece_of_error(layer, delta, block, pieces, planned_rows)
        soon = None if next_total is None else next_total.weight
        for first in range(0, n_in, block):
            part = total.weight[first : min(first + block, n_in), :]
            bias = None if first else total.bias
            self._step_back(layer, a, delta, part, bias, first=first, onto=onto, piece=piece, soon=soon)
        if piece is not None:
            self.buffers.give(piece)
        self._check_error(layer, total.bias)

    def _gradient_block_rows(self, layer: int, delta: Any, pieces: str, planned_rows: int | None) -> int:
        n_in, n_out = self.weights[layer - 1].shape
        rows = delta.shape[0]
        return gradient_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows)

    def _piece_of_error(self, layer: int, delta: Any, block: int, pieces: str, planned_rows: int | None) -> Any:
        """An array for the piece of the error below that is made apart; None where there is none."""
        if layer == 1 or self.backend.error_in_place:
            return None
        n_in, n_out = self.weights[layer - 1].shape
        rows = delta.shape[0]
        made = delta_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows)
        return self.buffers.take((made * block,))

    def _step_back(
        self,
        layer: int,
        a: Any,
        delta: Any,
        weight: Any,
        bias: Any,
        *,
        first: int,
        piece: Any,
        onto: bool = False,
        soon: Any = None,
    ) -> None:
        below = next_W = None
        if layer > 1:
            below, next_W = self.layer_activation(layer - 1), self.weights[layer - 2]
            self.backend.release(a)
        self.backend.backward_layer_(
            a,
            delta,
            self.weights[layer - 1],
            below,
            first=first,
            weight=weight,
            bias=bias,
            onto=onto,
            piece=piece,
            soon=(soon, next_W),
        )

    def _check_error(self, layer: int, bias: Any) -> None:
        """Raise `TrainingError` if the error of a layer holds a NaN or an infinity: then so does its sum, `bias`.

        This comes before anything of the layer is applied. Where to ask is to wait for the device, only the last
        layer is asked about: what goes wrong below it shows there a step later.
        """
        if layer < self.n_layers and self.backend.asynchronous:
            return
        if not self.backend.all_finite(bias):
            raise TrainingError(
                f"the error of layer {layer} is not finite any more, NaN or infinite; lower eta, or look for such "
                f"values in the data",
                layer=layer,
            )

    # Learning

    def update_mini_batch(self, X: Any, y: Any, *, eta: float) -> None:
        """One step of gradient descent: w -= eta / batch * gradient, or by way of the velocity under momentum."""
        X, y = self.as_batch(X, y)
        rate = check_number("eta", eta) / X.shape[0]
        for gradient in self.backprop(X, y, in_blocks=True):
            self.apply_gradient(gradient, rate)
            del gradient  # or it would be held while the next one is made

    def apply_gradient(self, gradient: Gradient, rate: float) -> None:
        """Subtract `rate` times a gradient, or a block of one, from its layer's parameters."""
        k = gradient.layer - 1
        rows = slice(gradient.first, gradient.first + gradient.weight.shape[0])
        pairs = [(self.weights[k][rows, :], gradient.weight)]
        if gradient.bias is not None:
            pairs.append((self.biases[k], gradient.bias))
        if not self.momentum:
            for w, g in pairs:
                self.backend.apply_gradient_(w, g, rate)
            return
        velocity, bias_velocity = self.velocities[k]
        for (w, g), v in zip(pairs, (velocity[rows, :], bias_velocity), strict=False):
            self.backend.apply_momentum_(w, v, g, rate, self.momentum)

    def SGD(
        self,
        training_data: tuple[Any, Any],
        *,
        epochs: int,
        mini_batch_size: int,
        eta: float,
        test_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
    ) -> list[EpochRecord]:
        """Train by mini-batch stochastic gradient descent; returns one `EpochRecord` an epoch.

        `training_data` and `test_data` are pairs (X, y), X (n, n_0) and y one-hot (n, n_L), on the host or the device.
        The last, smaller mini-batch of an epoch is trained on too. `shuffle` draws a new order each epoch, from the
        network's seed. A progress bar is shown on a terminal.
        """
        return train(
            self,
            ArrayBatches(self, *training_data),
            epochs=epochs,
            mini_batch_size=mini_batch_size,
            eta=eta,
            test_data=None if test_data is None else ArrayBatches(self, *test_data),
            shuffle=shuffle,
        )

    def evaluate(self, X: Any, y: Any, *, batch_size: int = EVALUATED_ROWS) -> float:
        """The accuracy on `X` (n, n_0) and one-hot `y` (n, n_L), a float in 0..1; `batch_size` rows at a time."""
        return accuracy(self, ArrayBatches(self, X, y), batch_size=batch_size)

    # Arguments

    def as_inputs(self, X: Any) -> Any:
        """`X` on the backend's device. Raises `NetworkError` unless it is (batch, n_0), of the network's dtype."""
        return self.as_rows("X", X, self.sizes[0])

    def as_batch(self, X: Any, y: Any) -> tuple[Any, Any]:
        """`X` and `y` on the backend's device. Raises `NetworkError` unless they are a mini-batch for this network."""
        X, y = self.as_rows("X", X, self.sizes[0]), self.as_rows("y", y, self.sizes[-1])
        if X.shape[0] != y.shape[0]:
            raise NetworkError(f"X and y must have as many rows; got {X.shape[0]} and {y.shape[0]}")
        return X, y

    def as_rows(self, name: str, x: Any, width: int) -> Any:
        """`x` on the backend's device. Raises `NetworkError`, which calls it `name`, unless it is (rows, `width`)."""
        if not self.backend.owns(x):
            try:
                x = self.backend.asarray(x)
            except (TypeError, ValueError):
                raise NetworkError(f"{name} must be an array (batch, {width}), a sample a row; got {type(x)}") from None
        if x.ndim != 2 or x.shape[1] != width:
            raise NetworkError(f"{name} must be (batch, {width}), a sample a row; got shape {tuple(x.shape)}")
        if x.shape[0] == 0:
            raise NetworkError(f"{name} must have at least one row; got shape {tuple(x.shape)}")
        arrived = self.backend.dtype_name(x)
        if arrived != self.dtype:
            raise NetworkError(
                f"{name} must be {self.dtype}, the network's dtype in this machine's byte order, so that "
                f"nothing is converted in a step; got {arrived}; use {name}.astype({self.dtype!r})"
            )
        if not self.backend.is_row_major(x):
            raise NetworkError(
                f"{name} must be row-major, so that nothing is copied in a step; got strides {x.strides}; use "
                f"numpy.ascontiguousarray({name})"
            )
        return x


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise NetworkError(f"unknown {name} {value!r}; choose {' or '.join(choices)}")
    return value
