"""Weights of samples and of classes, and smoothed labels: the definition, the bits, the bytes, and bad input."""

from typing import Any

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing, micro_batches, simulate
from checkpoint.execution.verifying import VerifyingNetwork
from mlp import Network, NetworkError
from mlp.row_weights import row_weights
from tests.conftest import Case, gradients_of, parameters_of, same_bits

CASE = Case((6, 9, 7, 3), 20, "tanh", "cross-entropy", seed=4)
RANDOM = np.random.default_rng(3)
WEIGHTS = RANDOM.random(20) * (np.arange(20) % 5 > 0)


def test_gradient_is_the_weighted_mean_s_times_the_rows(backend, dtype):
    network = CASE.network(backend, dtype)
    X, y = CASE.batch(backend, dtype)
    with network.weighting(WEIGHTS, 20):
        found = gradients_of(network, X, y)
    each = [gradients_of(network, X[i : i + 1, :], y[i : i + 1, :]) for i in range(20)]
    for k, gradient in enumerate(found):
        wanted = sum(w * rows[k].astype(float) for w, rows in zip(WEIGHTS, each, strict=True)) * 20 / WEIGHTS.sum()
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_weights_that_are_all_alike_change_no_bit(momentum, backend, dtype):
    case = Case(CASE.sizes, 20, "tanh", "cross-entropy", momentum=momentum)
    networks = [case.network(backend, dtype) for _ in range(3)]
    X, y = case.batch(backend, dtype)
    for network, weights in zip(networks, (None, np.ones(20), np.full(20, 4)), strict=True):
        network.update_mini_batch(X, y, eta=0.5, weights=weights)
    assert same_bits(*(parameters_of(network) for network in networks[:2]))
    assert same_bits(*(parameters_of(network) for network in networks[1:]))


def test_sample_of_weight_two_is_two_samples(backend, dtype):
    once, twice = CASE.network(backend, dtype), CASE.network(backend, dtype)
    X, y = CASE.host_batch(dtype)
    counts = np.arange(20) % 3
    once.update_mini_batch(backend.asarray(X), backend.asarray(y), eta=0.5, weights=counts)
    repeated = [backend.asarray(np.repeat(a, counts, axis=0)) for a in (X, y)]
    twice.update_mini_batch(*repeated, eta=0.5)
    for a, b in zip(parameters_of(once), parameters_of(twice), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    assert once.mean_step_cost() == pytest.approx(twice.mean_step_cost(), rel=1e-5)


def test_weights_of_zero_leave_the_parameters_alone(backend, dtype):
    network = CASE.network(backend, dtype)
    before = parameters_of(network)
    network.update_mini_batch(*CASE.batch(backend, dtype), eta=0.5, weights=np.zeros(20))
    assert same_bits(before, parameters_of(network))


@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy", "binary-cross-entropy"])
def test_weighted_steps_have_the_same_bits_however_they_are_taken(cost, dtype):
    case = Case((6, 9, 7, 5, 3), 300, "tanh", cost, momentum=0.5, seed=4)
    schedule = micro_batches(n_layers=4, batch_size=300, rows=128)
    kinds: list[Any] = [case.network("numpy", dtype)]
    kinds += [case.network("numpy", dtype, NetworkWithCheckpointing, schedule=schedule) for _ in range(2)]
    exact = kinds[0].backend.facts.chunk_rows is not None
    X, y = case.host_batch(dtype)
    for step in range(3):  # weights come and go, and the program that was written for others must not be taken
        weights = None if step == 1 else np.random.default_rng(step).random(300)
        for network in kinds[:2]:
            network.update_mini_batch(X, y, eta=0.3, weights=weights)
        with kinds[2].observing(lambda *_: None):
            kinds[2].update_mini_batch(X, y, eta=0.3, weights=weights)
    found = [parameters_of(network) for network in kinds]
    assert same_bits(found[1], found[2])
    assert same_bits(found[0], found[1]) or not exact
    assert kinds[1].cost_total.value == kinds[2].cost_total.value


def test_weighted_steps_take_the_bytes_that_are_predicted(metered, dtype):
    network = CASE.network(metered, dtype, VerifyingNetwork, checkpoint_every_nth_layer=2)
    network.update_mini_batch(*CASE.batch(metered, dtype), eta=0.5, weights=WEIGHTS)


def test_weights_made_before_a_step_are_at_rest_and_others_are_beyond_what_is_predicted(metered, dtype):
    network = CASE.network(metered, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=1)
    X, y = CASE.batch(metered, dtype)
    predicted = simulate(network.schedule_for(20), network.chain(20)).peak_bytes
    peaks = []
    for weights in (row_weights(WEIGHTS, 20, dtype=dtype, backend=metered), WEIGHTS):
        with metered.measure() as usage:
            network.update_mini_batch(X, y, eta=0.5, weights=weights)
        peaks.append(usage.peak_bytes)
    assert peaks == [predicted, predicted + metered.facts.placed_bytes(20 * np.dtype(dtype).itemsize)]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(19), r"weights must be 20 numbers, one a sample; got \(19,\)"),
        (-np.ones(20), "at least 0; that of sample 0 is -1.0"),
        (np.where(np.arange(20) == 3, np.nan, 1), "must be finite and at least 0; that of sample 3 is nan"),
        (["a"] * 20, "weights must be 20 numbers"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(NetworkError, match=message):
        CASE.network("numpy", "float32").update_mini_batch(*CASE.host_batch("float32"), eta=0.5, weights=weights)


# Whole trainings


def trained(network: Network, *data: Any, **options: Any) -> list[np.ndarray]:
    network.SGD(data, 2, 8, 0.5, **options)
    return parameters_of(network)


def test_training_takes_the_weights_of_each_mini_batch(backend, dtype):
    X, y = CASE.host_batch(dtype)
    network = CASE.network(backend, dtype)
    for start in [*range(0, 20, 8)] * 2:
        rows = slice(start, min(start + 8, 20))
        network.update_mini_batch(backend.asarray(X[rows]), backend.asarray(y[rows]), eta=0.5, weights=WEIGHTS[rows])
    found = trained(CASE.network(backend, dtype), X, y, sample_weight=WEIGHTS, shuffle=False)
    assert same_bits(parameters_of(network), found)


def test_weights_go_with_their_samples_in_any_order():
    X, y = CASE.host_batch("float32")
    kept = np.arange(20) % 4 > 0
    X[~kept] = 1e3  # whose gradients would be seen
    found = trained(CASE.network("numpy", "float32"), X, y, sample_weight=kept)
    X[~kept] = -1e3
    assert same_bits(found, trained(CASE.network("numpy", "float32"), X, y, sample_weight=kept))


@pytest.mark.parametrize("as_labels", [True, False])
def test_weights_of_classes_are_those_of_their_samples(as_labels):
    X, y = CASE.host_batch("float32")
    labels = y.argmax(axis=1)
    own, counts = np.array([0.5, 2.0, 1.0]), np.bincount(labels, minlength=3)
    data = X, labels if as_labels else y
    for class_weight, weights in (({0: 0.5, 1: 2}, own), ("balanced", 20 / (3 * counts))):
        found = trained(CASE.network("numpy", "float32"), *data, class_weight=class_weight)
        assert same_bits(found, trained(CASE.network("numpy", "float32"), *data, sample_weight=weights[labels]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": np.zeros(20)}, "weights of all samples are 0"),
        ({"sample_weight": np.ones(19)}, "sample_weight must be 20 numbers"),
        ({"sample_weight": -np.ones(20)}, "sample_weight must be finite and at least 0"),
        ({"class_weight": {7: 1.0}}, "class_weight names class 7; the classes are 0 to 2"),
        ({"class_weight": {0: -1.0}}, "class_weight must be finite and at least 0"),
        ({"class_weight": [1, 2, 3]}, 'class_weight must be "balanced" or weights by class number'),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1; got 1.0"),
        ({"label_smoothing": "much"}, "label_smoothing must be a finite number"),
    ],
)
def test_what_weighs_nothing_is_refused(options, message):
    with pytest.raises(NetworkError, match=message):
        CASE.network("numpy", "float32").SGD(CASE.host_batch("float32"), 1, 8, 0.5, **options)


def test_weights_of_classes_want_classes_and_smoothing_wants_labels():
    network = Network([3, 2])
    data = np.zeros((4, 3), "float32"), RANDOM.random((4, 2))
    with pytest.raises(NetworkError, match="accuracy is for targets that name a class"):
        network.SGD(data, 1, 2, 0.1, class_weight="balanced")
    with pytest.raises(NetworkError, match=r"label_smoothing is for targets that name classes.*got 'quadratic'"):
        network.SGD(data, 1, 2, 0.1, label_smoothing=0.1)


@pytest.mark.parametrize(("cost", "classes"), [("cross-entropy", 3), ("binary-cross-entropy", 2)])
def test_smoothed_labels_are_trained_on_and_the_data_stays(cost, classes, backend, dtype):
    case = Case((6, 5, 3), 20, "tanh", cost)
    X, y = case.host_batch(dtype)
    before = y.copy()
    found = trained(case.network(backend, dtype), X, y, label_smoothing=0.1)
    assert np.array_equal(y, before)
    smoothed = (y * y.dtype.type(0.9) + y.dtype.type(0.1 / classes)).astype(dtype)
    for a, b in zip(found, trained(case.network(backend, dtype), X, smoothed), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [1e307, 1e-320, 2.0**1023, 2.0**-1074])
def test_weights_near_the_ends_of_their_range_are_as_those_near_1(size, dtype):
    networks = [CASE.network("numpy", dtype) for _ in range(2)]
    X, y = CASE.batch(networks[0].backend, dtype)
    for network, weight in zip(networks, (np.frexp(size)[0], size), strict=True):
        network.SGD((X, y), 1, 7, 0.5, sample_weight=np.full(20, weight))
    assert same_bits(*map(parameters_of, networks))


@pytest.mark.parametrize("weights", [np.full(20, 1e-45, np.float32), np.full(20, 2**62), np.full(20, True)])
def test_weights_of_a_step_may_be_of_any_dtype(weights, dtype):
    networks = [CASE.network("numpy", dtype) for _ in range(2)]
    X, y = CASE.batch(networks[0].backend, dtype)
    for network, given in zip(networks, (np.ones(20), weights), strict=True):
        network.update_mini_batch(X, y, eta=0.5, weights=given)
    assert same_bits(*map(parameters_of, networks))


def test_weights_whose_product_is_not_finite_are_refused():
    network = CASE.network("numpy", "float32")
    X, y = CASE.batch(network.backend, "float32")
    with pytest.raises(NetworkError, match="sample_weight times class_weight must be finite"):
        network.SGD((X, y), 1, 7, 0.5, sample_weight=np.full(20, 1e307), class_weight={0: 100.0})
