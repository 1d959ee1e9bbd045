"""The network: its parameters, the forward pass and the update of one mini-batch."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from mlp import Network
from mlp.activations import ACTIVATIONS
from mlp.costs import COSTS
from tests.conftest import Case, cases, gradients_of, parameters_of, same_bits
from tests.definitions import ACTIVATED

CASE = Case((7, 6, 5, 4), 9, seed=3)


# Parameters


@given(case=cases())
def test_initial_parameters_are_the_same_on_every_backend(backend, case):
    assert same_bits(parameters_of(case.network(backend, "float32")), parameters_of(case.network("numpy", "float32")))


def test_parameters_have_the_shapes_and_dtype_of_the_network(backend, dtype):
    network = CASE.network(backend, dtype)
    assert [tuple(W.shape) for W in network.weights] == [(7, 6), (6, 5), (5, 4)]
    assert [tuple(b.shape) for b in network.biases] == [(6,), (5,), (4,)]
    assert {backend.dtype_name(p) for p in [*network.weights, *network.biases]} == {dtype}
    assert all(backend.owns(p) for p in [*network.weights, *network.biases])


def test_seeds_make_different_networks_and_one_seed_the_same():
    first, again, other = (parameters_of(Network([5, 4], seed=seed)) for seed in (1, 1, 2))
    assert same_bits(first, again)
    assert not same_bits(first, other)


def test_momentum_costs_one_velocity_a_parameter_and_none_without(backend, dtype):
    assert CASE.network(backend, dtype).velocities == ()
    network = Case(CASE.sizes, 9, momentum=0.9).network(backend, dtype)
    shapes = [(tuple(v.shape), tuple(w.shape)) for v, w in network.velocities]
    assert shapes == [((7, 6), (6,)), ((6, 5), (5,)), ((5, 4), (4,))]
    assert not any(backend.to_numpy(v).any() for pair in network.velocities for v in pair)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("cost", "output"), [("quadratic", None), ("cross-entropy", "softmax"), ("binary-cross-entropy", "sigmoid")]
)
def test_last_layer_has_the_activation_of_its_cost_or_else_that_of_the_others(activation, cost, output):
    network = Network([3, 4, 2], activation=activation, cost=cost)
    assert [network.layer_activation(layer) for layer in (1, 2)] == [activation, output or activation]
    assert network.output_activation == (output or activation)


# The forward pass


@given(case=cases())
def test_feedforward_follows_the_definition(backend, case):
    network = case.network(backend, "float32")
    a = case.host_batch("float32")[0].astype(np.float64)
    parameters = [p.astype(np.float64) for p in parameters_of(network)]
    for layer in range(1, case.n_layers + 1):
        z = a @ parameters[layer - 1] + parameters[case.n_layers + layer - 1]
        a = ACTIVATED[network.layer_activation(layer)](z)
    output = network.feedforward(case.batch(backend, "float32")[0])
    np.testing.assert_allclose(backend.to_numpy(output), a, rtol=0, atol=2e-5 * max(1, np.abs(a).max()))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_softmax_rows_are_shares_of_one(activation, backend, dtype):
    case = Case((7, 6, 5), 9, activation, "cross-entropy", initialization="normal")
    output = backend.to_numpy(case.network(backend, dtype).feedforward(case.batch(backend, dtype)[0]))
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-6)
    assert output.min() >= 0


def test_output_has_the_network_s_dtype_and_device(backend, dtype):
    output = CASE.network(backend, dtype).feedforward(CASE.batch(backend, dtype)[0])
    assert backend.owns(output)
    assert backend.dtype_name(output) == dtype


def test_host_arrays_are_taken_to_the_device(backend, dtype):
    network, X = CASE.network(backend, dtype), CASE.host_batch(dtype)[0]
    assert same_bits(
        [backend.to_numpy(network.feedforward(X))], [backend.to_numpy(network.feedforward(backend.asarray(X)))]
    )


@given(case=cases())
def test_feedforward_holds_two_layers(metered, case):
    network, X = case.network(metered, "float32"), case.batch(metered, "float32")[0]
    unit = metered.facts.allocation_bytes
    layers = [0] + [-(-case.batch_size * width * 4 // unit) * unit for width in case.sizes[1:]]
    with metered.measure() as usage:
        network.feedforward(X)
    assert usage.peak_bytes == max(a + b for a, b in pairwise(layers))
    assert usage.end_bytes == 0


# The update of one mini-batch


def naive_step(
    parameters: list[np.ndarray],
    velocities: list[np.ndarray],
    gradients: list[np.ndarray],
    rate: float,
    momentum: float,
) -> None:
    """Momentum as the textbook has it: v := momentum * v - rate * gradient, w := w + v."""
    for k, gradient in enumerate(gradients):
        velocities[k] = momentum * velocities[k] - rate * gradient
        parameters[k] = parameters[k] + velocities[k]


@given(case=cases())
def test_three_steps_are_those_of_a_naive_implementation(backend, case):
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    parameters = [p.astype(np.float64) for p in parameters_of(network)]
    velocities = [np.zeros_like(p) for p in parameters]
    for _ in range(3):
        gradients = [gradient.astype(np.float64) for gradient in gradients_of(network, X, y)]
        naive_step(parameters, velocities, gradients, 0.01 / case.batch_size, case.momentum)
        network.update_mini_batch(X, y, eta=0.01)
    for p, wanted in zip(parameters_of(network), parameters, strict=True):
        np.testing.assert_allclose(p, wanted, rtol=0, atol=1e-5 * max(1, np.abs(wanted).max()))


def test_step_divides_by_the_rows_of_the_mini_batch(backend, dtype):
    network = CASE.network(backend, dtype)
    X, y = CASE.batch(backend, dtype)
    before, gradients = parameters_of(network), gradients_of(network, X, y)
    network.update_mini_batch(X, y, eta=0.5)
    for old, gradient, new in zip(before, gradients, parameters_of(network), strict=True):
        np.testing.assert_allclose(new, old - 0.5 / 9 * gradient, rtol=0, atol=1e-6)


@given(case=cases())
def test_step_holds_nothing_afterwards(metered, case):
    network = case.network(metered, "float32")
    X, y = case.batch(metered, "float32")
    with case.in_pieces(), metered.measure() as usage:
        network.update_mini_batch(X, y, eta=0.01)
    assert usage.end_bytes == 0


@pytest.mark.parametrize("cost", COSTS)
def test_host_mini_batch_trains_like_one_on_the_device(cost, backend, dtype):
    case = Case(CASE.sizes, 9, cost=cost)
    networks = [case.network(backend, dtype) for _ in range(2)]
    networks[0].update_mini_batch(*case.host_batch(dtype), eta=1.0)
    networks[1].update_mini_batch(*case.batch(backend, dtype), eta=1.0)
    assert same_bits(*(parameters_of(network) for network in networks))


# Evaluation


@pytest.mark.parametrize("batch_size", [1, 2, 7, 30, 31, 1000])
def test_evaluating_in_batches_is_evaluating_the_whole(batch_size, backend, dtype):
    case = Case((7, 6, 4), 31, seed=5)
    network, (X, y) = case.network(backend, dtype), case.host_batch(dtype)
    output = backend.to_numpy(network.feedforward(X))
    wanted = float(np.mean(output.argmax(axis=1) == y.argmax(axis=1)))
    accuracy = network.evaluate(X, y, batch_size=batch_size)
    assert accuracy == wanted
    assert isinstance(accuracy, float)


def test_accuracy_of_the_network_s_own_answers_is_one_and_of_others_zero(backend, dtype):
    case = Case((7, 6, 4), 31, seed=5)
    network, (X, _) = case.network(backend, dtype), case.host_batch(dtype)
    answers = backend.to_numpy(network.feedforward(X)).argmax(axis=1)
    assert network.evaluate(X, np.eye(4, dtype=dtype)[answers]) == 1.0
    assert network.evaluate(X, np.eye(4, dtype=dtype)[(answers + 1) % 4]) == 0.0


def test_device_arrays_are_evaluated_too(backend, dtype):
    case = Case((7, 6, 4), 31, seed=5)
    network = case.network(backend, dtype)
    assert network.evaluate(*case.batch(backend, dtype)) == network.evaluate(*case.host_batch(dtype))


# What enters a step


def accepts(network: Network, X: Any) -> bool:
    try:
        network.feedforward(X)
    except ValueError:
        return False
    return True


VIEWS = {
    "rows": lambda X: X[2:7],
    "every 2nd row": lambda X: X[::2],
    "some columns": lambda X: np.hstack([X, X])[:, 3:10],
    "one row": lambda X: X[:1],
    "one row of every 2nd column": lambda X: np.repeat(X[:1], 2, axis=1)[:, ::2],
    "transposed": lambda X: np.asfortranarray(X),
    "every 2nd column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "upside down": lambda X: X[::-1],
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "unaligned": lambda X: np.frombuffer(b"." + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_mini_batch_is_refused_or_trained_on_in_the_bytes_predicted(view, dtype):
    network = CASE.network("numpy", dtype)
    X, y = CASE.host_batch(dtype)
    X = view(X)
    y = y[: len(X)]
    if not accepts(network, X):
        with pytest.raises(ValueError, match="must be"):
            network.update_mini_batch(X, y, eta=1.0)
        return
    twin = CASE.network("numpy", dtype)
    with network.backend.measure() as usage:
        network.update_mini_batch(X, y, eta=1.0)
    with network.backend.measure() as wanted:
        twin.update_mini_batch(X.astype(dtype, order="C"), y, eta=1.0)
    assert usage.peak_bytes == wanted.peak_bytes - len(X) * 7 * X.itemsize  # the twin's copy
