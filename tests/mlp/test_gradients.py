"""Gradients against central differences of an independent cost, against PyTorch, and in extended precision."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from checkpoint import NetworkWithCheckpointing
from mlp import Network, NetworkError
from mlp.activations import ACTIVATIONS
from mlp.costs import COSTS
from tests.conftest import Case, cases, gradients_of, parameters_of, same_bits
from tests.definitions import cost_of, gradients_in_extended_precision

CASES = [
    *(
        Case(sizes, 6, activation, cost, initialization="normal", seed=seed)
        for sizes, seed in (((5, 4, 3), 1), ((4, 5, 1, 3, 2), 2), ((3, 2), 3))
        for activation in ("sigmoid", "tanh", "relu")
        for cost in ("quadratic", "cross-entropy")
    ),
    *(Case((5, 4, 3, 2), 6, activation, initialization="normal", seed=8) for activation in ACTIVATIONS[3:]),
    *(Case((5, 4, 3), 6, activation, "binary-cross-entropy", seed=1) for activation in ("tanh", "elu")),
    *(
        Case((5, 4, 3), 6, "tanh", "quadratic", seed=seed, output_activation=output)
        for output, seed in (("identity", 1), ("sigmoid", 2), ("relu", 5), ("elu", 4), ("softplus", 5))
    ),
]
each_case = pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda case: "-".join(
        [*map(str, case.sizes), case.activation, case.cost, *filter(None, [case.output_activation])]
    ),
)
KINKED = ("relu", "leaky-relu")
"""Activations without a slope at 0."""

TOLERANCE = {"float32": 2e-4, "float64": 1e-7}
STEP = 1e-6


# The oracle: the slope of the cost by its definition, in float64


def cost_at(parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray, network: Network) -> float:
    names = [network.layer_activation(layer) for layer in range(1, network.n_layers + 1)]
    cost, inputs = cost_of(parameters, X, y, activation=network.activation, output=names[-1], cost=network.cost)
    kinked = [z for name, z in zip(names, inputs, strict=True) if name in KINKED]
    assert all(np.abs(z).min() > 10 * STEP for z in kinked), "a kink is too near; choose another seed"
    return cost


def central_differences(
    parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray, network: Network
) -> list[np.ndarray]:
    """The gradient of `cost_at` by every parameter, each moved a little both ways."""
    slopes = [np.empty_like(p) for p in parameters]
    for p, slope in zip(parameters, slopes, strict=True):
        for place in np.ndindex(p.shape):
            value = p[place]
            p[place] = value + STEP
            above = cost_at(parameters, X, y, network)
            p[place] = value - STEP
            slope[place] = (above - cost_at(parameters, X, y, network)) / (2 * STEP)
            p[place] = value
    return slopes


def check_against_central_differences(network: Network, case: Case, dtype: str) -> None:
    X, y = (x.astype(np.float64) for x in case.host_batch(dtype))
    wanted = central_differences([p.astype(np.float64) for p in parameters_of(network)], X, y, network)
    scale = max(np.abs(slope).max() for slope in wanted)
    for gradient, slope in zip(gradients_of(network, *case.batch(network.backend, dtype)), wanted, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=0, atol=TOLERANCE[dtype] * scale)


@each_case
def test_gradients_are_the_slopes_of_the_cost(case, backend, dtype):
    check_against_central_differences(case.network(backend, dtype), case, dtype)


class TakesSigmoidTwice(Network):
    """The trap of the classic notebook: sigmoid of what sigmoid gave already."""

    def to_output_delta(self, a: Any, y: Any) -> None:
        self.backend.release(a)
        twice = 1 / (1 + np.exp(-a))
        a[...] = (a - y) * twice * (1 - twice)


class LeavesOutTheDerivative(Network):
    """The output error of cross-entropy used with the quadratic cost."""

    def to_output_delta(self, a: Any, y: Any) -> None:
        self.backend.release(a)
        a -= y


class TakesMeans(Network):
    """Gradients of the mean over the batch in place of the sum."""

    def to_output_delta(self, a: Any, y: Any) -> None:
        super().to_output_delta(a, y)
        a /= len(a)


class GoesBackThroughChangedWeights(Network):
    """An update that comes before the error has gone through the layer."""

    def _backward_step(self, layer: int, *how: Any, **more: Any) -> Any:
        self.weights[layer - 1] *= 1.001
        return super()._backward_step(layer, *how, **more)


@pytest.mark.parametrize(
    "wrong", [TakesSigmoidTwice, LeavesOutTheDerivative, TakesMeans, GoesBackThroughChangedWeights]
)
def test_wrong_gradients_are_rejected_by_central_differences(wrong):
    case = Case((5, 4, 3), 6, initialization="normal", seed=1)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_against_central_differences(case.network("numpy", "float64", wrong), case, "float64")


# PyTorch


def torch_gradients(network: Network, X: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # such small products only wait for threads
    parameters = [torch.tensor(p, requires_grad=True) for p in parameters_of(network)]
    a, target = torch.tensor(X), torch.tensor(y)
    for layer in range(1, network.n_layers + 1):
        z = a @ parameters[layer - 1] + parameters[network.n_layers + layer - 1]
        a = torch_activated(network.layer_activation(layer), z)
    cost = ((a - target) ** 2).sum() / 2
    if network.cost == "cross-entropy":
        cost = -(target * torch.log_softmax(z, dim=1)).sum()
    if network.cost == "binary-cross-entropy":
        cost = torch.nn.functional.binary_cross_entropy_with_logits(z, target, reduction="sum")
    cost.backward()
    return [p.grad.numpy() for p in parameters]


def torch_activated(activation: str, z: Any) -> Any:
    torch = pytest.importorskip("torch")
    if activation in ("identity", "softmax"):
        return z
    return getattr(torch.nn.functional, activation.replace("-", "_"))(z)


def check_against_torch(network: Network, case: Case, dtype: str) -> None:
    wanted = torch_gradients(network, *case.host_batch(dtype))
    scale = max(np.abs(gradient).max() for gradient in wanted)
    for gradient, other in zip(gradients_of(network, *case.batch(network.backend, dtype)), wanted, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=0, atol={"float32": 2e-6, "float64": 1e-14}[dtype] * scale)


@each_case
def test_gradients_are_those_of_pytorch(case, backend, dtype):
    check_against_torch(case.network(backend, dtype), case, dtype)


@pytest.mark.parametrize("wrong", [TakesSigmoidTwice, TakesMeans])
def test_wrong_gradients_are_rejected_by_pytorch(wrong):
    pytest.importorskip("torch")
    case = Case((5, 4, 3), 6, initialization="normal", seed=1)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_against_torch(case.network("numpy", "float32", wrong), case, "float32")


# Extended precision


@pytest.mark.skipif(np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps, reason="no type is longer than float64")
@pytest.mark.parametrize(
    ("activation", "cost"),
    [("sigmoid", "quadratic"), ("relu", "cross-entropy"), *((activation, COSTS[2]) for activation in ACTIVATIONS)],
)
def test_deep_network_s_gradients_are_those_of_extended_precision(activation, cost):
    """Of 51 layers, in which PyTorch's own float64 is off by up to 1.2e-14 of the largest gradient (elu)."""
    case = Case((20, *[16] * 50, 10), 32, activation, cost, seed=7)
    network, (X, y) = case.network("numpy", "float64"), case.host_batch("float64")
    output = network.layer_activation(network.n_layers)
    wanted = gradients_in_extended_precision(
        parameters_of(network), X, y, activation=activation, output=output, cost=cost
    )
    scale = max(np.abs(gradient).max() for gradient in wanted)
    for gradient, other in zip(gradients_of(network, *case.batch(network.backend, "float64")), wanted, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=0, atol=float(1e-14 * scale))


# What backprop yields


@given(case=cases())
def test_gradients_come_from_the_last_layer_to_the_first(backend, case):
    network = case.network(backend, "float32")
    gradients = list(network.backprop(*case.batch(backend, "float32")))
    assert [gradient.layer for gradient in gradients] == list(range(case.n_layers, 0, -1))
    for gradient in gradients:
        assert gradient.weight.shape == network.weights[gradient.layer - 1].shape
        assert gradient.bias.shape == network.biases[gradient.layer - 1].shape
        assert gradient.first == 0


@given(case=cases())
def test_gradient_may_be_applied_as_soon_as_it_comes(backend, case):
    network, other = case.network(backend, "float32"), case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    for gradient in list(network.backprop(X, y)):
        network.apply_gradient(gradient, 0.125)
    for gradient in other.backprop(X, y):
        other.apply_gradient(gradient, 0.125)
    assert same_bits(parameters_of(network), parameters_of(other))


@given(case=cases())
def test_pieces_of_gradients_make_up_the_whole_ones(backend, case):
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    whole = gradients_of(network, X, y)
    made_up = [np.full_like(gradient, np.nan) for gradient in whole]
    with case.in_pieces():
        for piece in network.backprop(X, y, in_pieces=True):
            k, stop = piece.layer - 1, piece.first + piece.weight.shape[0]
            assert np.isnan(made_up[k][piece.first : stop]).all(), "two pieces have the same rows"
            made_up[k][piece.first : stop] = backend.to_numpy(piece.weight)
            if piece.bias is not None:
                assert stop == case.sizes[k]
                made_up[case.n_layers + k][:] = backend.to_numpy(piece.bias)
    for gradient, other in zip(made_up, whole, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=0, atol=1e-5 * max(1, np.abs(other).max()))


@given(case=cases())
def test_backprop_leaves_the_mini_batch_and_the_parameters_alone(backend, case):
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    before = parameters_of(network)
    gradients_of(network, X, y)
    assert same_bits([backend.to_numpy(X), backend.to_numpy(y)], list(case.host_batch("float32")))
    assert same_bits(parameters_of(network), before)


@given(case=cases())
def test_backprop_can_be_done_again_with_the_same_result(backend, case):
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    assert same_bits(gradients_of(network, X, y), gradients_of(network, X, y))


def test_step_takes_a_mini_batch_that_cannot_be_written_to():
    case = Case((5, 4, 3), 6)
    network, (X, y) = case.network("numpy", "float32"), case.host_batch("float32")
    X.flags.writeable = y.flags.writeable = False
    network.update_mini_batch(X, y, eta=1.0)


def test_cost_derivative_is_the_difference(backend):
    case = Case((5, 4, 3), 6)
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    a = network.feedforward(X)
    wanted = backend.to_numpy(a) - backend.to_numpy(y)
    assert np.array_equal(backend.to_numpy(network.cost_derivative(a, y)), wanted)


class DoublesTheCost(Network):
    """A cost of the user's own: twice the quadratic one."""

    def cost_derivative(self, output_activations: Any, y: Any) -> Any:
        return 2 * (output_activations - y)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("kind", [Network, NetworkWithCheckpointing], ids=["plain", "with checkpointing"])
def test_cost_derivative_of_a_subclass_is_used(kind, cost, backend, dtype):
    case = Case((5, 4, 4, 3), 6, "tanh", cost)
    more = {"checkpoint_every_nth_layer": 2} if kind is NetworkWithCheckpointing else {}
    doubled = type("Doubled", (DoublesTheCost, kind), {})
    plain, other = case.network(backend, dtype), case.network(backend, dtype, doubled, **more)
    X, y = case.batch(backend, dtype)
    for gradient, twice in zip(gradients_of(plain, X, y), gradients_of(other, X, y), strict=True):
        np.testing.assert_allclose(twice, 2 * gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda a, y: (a - y)[:3], "what cost_derivative returns must have 6 rows"),
        (lambda a, y: (a - y).sum(axis=1), r"what cost_derivative returns must be \(batch, 3\)"),
        (lambda a, y: (a - y).astype("float64"), "what cost_derivative returns must be float32"),
        (lambda a, y: None, "what cost_derivative returns must be"),
    ],
)
def test_cost_derivative_that_does_not_fit_is_refused(wrong, message):
    case = Case((5, 4, 3), 6)
    network = case.network(
        "numpy", "float32", type("Wrong", (Network,), {"cost_derivative": lambda _, a, y: wrong(a, y)})
    )
    with pytest.raises(NetworkError, match=message):
        list(network.backprop(*case.host_batch("float32")))
