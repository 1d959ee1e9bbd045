"""Weights and biases: assigning copies into the arrays that are there, and what does not fit is refused by name."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

from mlp import Network, NetworkError
from tests.conftest import parameters_of, same_bits

SIZES = [4, 5, 3]
W = np.arange(20, dtype=np.float32).reshape(4, 5) / 10


@pytest.mark.parametrize(
    "value",
    [
        W,
        np.asfortranarray(W),
        np.repeat(W, 2, axis=1)[:, ::2],
        W.astype(">f4"),
        W.astype(np.float64),
        W.tolist(),
        array_api_strict.asarray(W),
    ],
    ids=["plain", "columns first", "with gaps", "other byte order", "double precision", "list", "another library's"],
)
def test_assigning_copies_the_values_whatever_their_layout(value, backend):
    network = Network(SIZES, backend=backend)
    array, biases = network.weights[0], parameters_of(network)[2:]
    network.weights[0] = value
    assert network.weights[0] is array
    assert same_bits([backend.to_numpy(array)], [W])
    assert same_bits(parameters_of(network)[2:], biases)


def test_assigning_takes_no_hold_of_the_array_given():
    network, mine = Network(SIZES), W.copy()
    network.weights[0] = mine
    mine[...] = 7
    assert same_bits([network.weights[0]], [W])


def test_changing_in_place_is_as_it_looks():
    network = Network(SIZES)
    network.weights[0] = W
    network.weights[0] *= 2
    network.weights[-2] += 1
    assert same_bits([network.weights[0]], [W * 2 + 1])


WRONG = {
    "transposed": (W.T, r"weights\[0\] must have shape \(4, 5\); got \(5, 4\).*transpose"),
    "flat": (W.reshape(-1), r"weights\[0\] must have shape \(4, 5\); got \(20,\)"),
    "too large": (np.zeros((400, 500), np.float32), r"weights\[0\] must have shape"),
    "too small": (np.zeros((1, 5), np.float32), r"weights\[0\] must have shape"),
    "one number": (np.float32(1), r"weights\[0\] must have shape \(4, 5\); got \(\)"),
    "complex": (W.astype(complex), r"weights\[0\] must be real numbers; got dtype complex128"),
    "objects": (W.astype(object), r"weights\[0\] must be real numbers; got dtype object"),
    "text": ("abc", r"weights\[0\] must have shape"),
    "NaN": (np.where(W > 1, np.float32(np.nan), W), r"weights\[0\] must be finite in float32"),
    "an infinity": (np.where(W > 1, np.float32(np.inf), W), r"weights\[0\] must be finite in float32"),
    "too large for the dtype": (W.astype(np.float64) + 1e300, r"weights\[0\] must be finite in float32"),
    "masked": (np.ma.masked_array(W), r"weights\[0\] is a masked array"),
}


@pytest.mark.parametrize(("value", "message"), WRONG.values(), ids=WRONG.keys())
def test_value_that_does_not_fit_is_refused_by_name_and_changes_nothing(value, message):
    network = Network(SIZES)
    before = parameters_of(network)
    with pytest.raises(NetworkError, match=message) as caught:
        network.weights[0] = value
    assert "\n" not in str(caught.value)
    assert same_bits(parameters_of(network), before)


def test_all_are_assigned_or_none(backend):
    network, other = (Network(SIZES, seed=seed, backend=backend) for seed in (1, 2))
    before = parameters_of(network)
    with pytest.raises(NetworkError, match=r"weights\[1\] must have shape"):
        network.weights = [W, W]
    with pytest.raises(NetworkError, match="weights must be 2 arrays, one a layer; got 1"):
        network.weights = [W]
    assert same_bits(parameters_of(network), before)
    network.weights, network.biases[:] = other.weights, list(other.biases)
    assert same_bits(parameters_of(network), parameters_of(other))


def test_number_of_a_layer_that_is_not_there_is_an_index_error():
    network = Network(SIZES)
    for act in (lambda: network.weights[2], lambda: network.weights.__setitem__(2, W)):
        with pytest.raises(IndexError):
            act()


@pytest.mark.parametrize("act", ["append", "pop", "clear", "sort", "__delitem__"])
def test_arrays_are_neither_added_nor_taken_away(act):
    assert not hasattr(Network(SIZES).weights, act)


def test_parameters_are_a_sequence_that_shows_its_shapes():
    weights: Any = Network(SIZES).weights
    assert [a.shape for a in weights] == [(4, 5), (5, 3)]
    assert len(weights) == 2
    assert [a.shape for a in weights[1:]] == [(5, 3)]
    assert repr(weights) == "<weights of 2 layers, float32: (4, 5), (5, 3)>"
