"""The network as a user meets it: the classic interface, on the layers of `mlp.layers`.

Rows are samples. The derivative of each activation is a function of its output, so pre-activations are never kept, and
everything elementwise is in place.

Source of the equations: M. A. Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with rows for columns.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from backend import Backend, select_backend
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS, check_name, check_number, check_whole
from mlp.costs import COSTS, output_activation
from mlp.errors import NetworkError
from mlp.gradient import Gradient
from mlp.initialization import initial_parameters
from mlp.layers import Layers
from mlp.optimizers import GradientDescent, Momentum, Optimizer
from mlp.sizes import check_sizes
from mlp.training.batches import ArrayBatches
from mlp.training.history import EpochRecord
from mlp.training.loop import EVALUATED_ROWS, accuracy, train


class Network(Layers):
    """A multi-layer perceptron that is trained by stochastic gradient descent with plain backpropagation.

    `sizes`: n_0 inputs, then the units of each layer. `activation`: "sigmoid", "tanh" or "relu", for every layer,
    except that cost "cross-entropy" makes the last one softmax. `cost`: "quadratic" or "cross-entropy".
    `initialization`: "normal" or "scaled", see `mlp.initialization`. `dtype`: "float32" or "float64", of everything.
    `momentum`: 0 for plain gradient descent; above it, a velocity is kept for each parameter. `backend`: a name or a
    `Backend`.

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
        widths = check_sizes(sizes)
        self.activation = check_name("activation", activation, ACTIVATIONS)
        self.cost = check_name("cost", cost, COSTS)
        self.initialization = check_name("initialization", initialization, INITIALIZATIONS)
        check_name("dtype", dtype, DTYPES)
        if not 0 <= check_number("momentum", momentum) < 1:
            raise NetworkError(f"momentum must be at least 0 and below 1; got {momentum!r}")
        self.momentum = float(momentum)
        self.seed = check_whole("seed", seed, least=0)
        last = output_activation(cost, activation=activation, units=widths[-1])
        activations = (*[activation] * (len(widths) - 2), last)
        super().__init__(widths, activations, dtype=dtype, backend=select_backend(backend))
        parameters = initial_parameters(
            widths, initialization=initialization, activation=activation, dtype=dtype, seed=self.seed
        )
        for (W, b), weight, bias in zip(parameters, self.weights, self.biases, strict=True):
            weight[...] = self.backend.asarray(W)
            bias[...] = self.backend.asarray(b)
        self.backend.prepare(widths, dtype)
        self.optimizer: Optimizer = Momentum(self.momentum) if self.momentum else GradientDescent()
        self.optimizer_state: dict[str, list[tuple[Any, Any]]] = {
            name: [
                (self.backend.zeros(W.shape, dtype), self.backend.zeros(b.shape, dtype))
                for W, b in zip(self.weights, self.biases, strict=True)
            ]
            for name in self.optimizer.state_names
        }
        """The arrays that the optimizer keeps: by name, a pair for the weights and the bias of each layer."""

    @property
    def velocities(self) -> list[tuple[Any, Any]]:
        """The velocity of each layer's weights and bias under momentum; empty without."""
        return self.optimizer_state.get("velocity", [])

    def feedforward(self, X: Any) -> Any:
        """The network's output for `X` (batch, n_0): (batch, n_L), same dtype and device. Two layers are live."""
        a = self.as_inputs(X)
        for layer in range(1, self.n_layers + 1):
            a = self.forward_layer(layer, a, out=self.backend.empty((a.shape[0], self.sizes[layer]), self.dtype))
        return a

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

    # Learning

    def update_mini_batch(self, X: Any, y: Any, *, eta: float) -> None:
        """One step of gradient descent: w -= eta / batch * gradient, or by way of the velocity under momentum."""
        X, y = self.as_batch(X, y)
        rate = check_number("eta", eta) / X.shape[0]
        for gradient in self.backprop(X, y, in_blocks=True):
            self.apply_gradient(gradient, rate)
            del gradient  # or it would be held while the next one is made

    def apply_gradient(self, gradient: Gradient, rate: float) -> None:
        """Change a layer's parameters by its gradient, or a piece of it; `rate` is eta / batch."""
        k = gradient.layer - 1
        rows = slice(gradient.first, gradient.first + gradient.weight.shape[0])
        kept = [pairs[k] for pairs in self.optimizer_state.values()]
        state = [weight[rows, :] for weight, _ in kept]
        self.optimizer.apply(self.backend, self.weights[k][rows, :], gradient.weight, state, rate)
        if gradient.bias is not None:
            state = [bias for _, bias in kept]
            self.optimizer.apply(self.backend, self.biases[k], gradient.bias, state, rate)

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
