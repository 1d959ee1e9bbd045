"""Initial weights: the laws that they are drawn from, and that activations keep their spread through many layers."""

import numpy as np
import pytest

from mlp.activations import ACTIVATIONS
from mlp.initialization import initial_parameters
from tests.conftest import Case, parameters_of
from tests.definitions import ACTIVATED


def drawn(sizes: tuple[int, ...], activation: str, **more: object) -> list[tuple[np.ndarray, np.ndarray]]:
    arguments = {"initialization": "normal", "activation": activation, "dtype": "float64", "seed": 0} | more
    return list(initial_parameters(sizes, **arguments))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_normal_weights_and_biases_are_standard_normal(activation):
    W, b = drawn((300, 400), activation)[0]
    assert abs(W.mean()) < 0.02
    assert abs(W.std() - 1) < 0.02
    assert abs(b.std() - 1) < 0.2


@pytest.mark.parametrize(("activation", "gain"), [("sigmoid", 4), ("tanh", 1), ("relu", 2**0.5), ("elu", 1.245)])
def test_scaled_weights_have_the_spread_of_their_activation(activation, gain):
    _, (W, _) = drawn((10, 300, 400), activation, initialization="scaled")
    assert W.std() == pytest.approx(gain / 300**0.5, rel=0.02)


def test_scaled_biases_centre_the_inputs_of_a_sigmoid_layer_and_are_zero_elsewhere():
    (_, first), (W, second) = drawn((10, 30, 40), "sigmoid", initialization="scaled")
    assert not first.any()
    np.testing.assert_allclose(np.full(30, 0.5) @ W + second, 0, atol=1e-12)
    assert not any(b.any() for _, b in drawn((10, 30, 40), "tanh", initialization="scaled"))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_have_the_dtype_asked_for(activation, dtype):
    assert {a.dtype.name for pair in drawn((5, 4, 3), activation, dtype=dtype) for a in pair} == {dtype}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_scaled_activations_keep_their_spread_through_fifty_layers(activation):
    case = Case((64, *[64] * 50), 100, activation)
    parameters = parameters_of(case.network("numpy", "float64"))
    a = np.random.default_rng(1).standard_normal((100, 64))
    spreads = []
    for W, b in zip(parameters[:50], parameters[50:], strict=True):
        z = a @ W + b
        a = ACTIVATED[activation](z)
        spreads.append(a.std())
    assert min(spreads) > 0.02
    assert max(spreads) < 50
