"""Accuracy is a number only where targets name classes, and then the right one; any targets have a mean cost."""

import numpy as np
import pytest

from mlp import ArrayBatches, Network, NetworkError, train
from tests.conftest import Case, parameters_of, same_bits

RANDOM = np.random.default_rng(2)
X = RANDOM.random((31, 4)).astype(np.float32)


def outputs(network: Network) -> np.ndarray:
    return network.backend.to_numpy(network.feedforward(network.backend.asarray(X)))


@pytest.mark.parametrize("batch_size", [1, 7, 31, 1000])
def test_one_unit_is_judged_by_the_side_that_its_output_is_on(batch_size, backend):
    network = Network([4, 5, 1], backend=backend, seed=3, initialization="scaled")
    above = outputs(network) > 0.5
    assert 0 < above.sum() < 31
    y = above.astype(np.float32)
    assert network.evaluate(X, y, batch_size=batch_size) == 1.0
    assert network.evaluate(X, 1 - y, batch_size=batch_size) == 0.0
    y[:3] = 1 - y[:3]
    assert network.evaluate(X, y, batch_size=batch_size) == 28 / 31


def test_one_unit_with_signs_is_judged_by_its_sign():
    network = Network([4, 5, 1], activation="tanh", seed=3)
    signs = np.where(outputs(network) > 0, 1, -1)
    assert len(set(signs.ravel())) == 2
    assert network.evaluate(X, signs) == 1.0
    assert network.evaluate(X, -signs) == 0.0


REGRESSION = RANDOM.random((31, 3)).astype(np.float32)
SEVERAL = np.array([[1, 1, 0], [0, 0, 1]], np.float32)[np.arange(31) % 2]
NOT_CLASSES = {
    "a regression of three values": (3, REGRESSION),
    "a regression of one value": (1, REGRESSION[:, :1]),
    "several classes at once": (3, SEVERAL),
    "no class at all": (3, np.zeros((31, 3), np.float32)),
    "two where one is wanted": (3, 2 * np.eye(3, dtype=np.float32)[np.arange(31) % 3]),
    "one unit with a value between": (1, np.where(np.arange(31) == 30, 0.25, 1.0).reshape(-1, 1)),
    "one unit with 0 and 1 and -1": (1, (np.arange(31) % 3 - 1.0).reshape(-1, 1)),
}


@pytest.mark.parametrize(("units", "y"), NOT_CLASSES.values(), ids=NOT_CLASSES.keys())
def test_accuracy_of_targets_that_name_no_class_is_refused(units, y):
    network = Network([4, 5, units])
    with pytest.raises(NetworkError, match=r"accuracy is for targets that name a class.*row \d+ of y is .*mean cost"):
        network.evaluate(X, y)


@pytest.mark.parametrize(("units", "y"), NOT_CLASSES.values(), ids=NOT_CLASSES.keys())
def test_training_with_such_test_data_has_a_cost_and_no_accuracy(units, y):
    network = Network([4, 5, units])
    (record,) = network.SGD((X, y), 1, 5, 0.1, test_data=(X, y))
    assert record.test_accuracy is None
    assert record.test_cost == network.mean_cost(X, y)


def test_row_that_is_named_is_the_first_that_does_not_fit():
    y = np.eye(3, dtype=np.float32)[np.arange(5000) % 3]
    y[4711, 2] = 0.5
    many = np.zeros((5000, 4), np.float32)
    with pytest.raises(NetworkError, match="row 4711 of y is"):
        Network([4, 3]).evaluate(many, y)


@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy"])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_mean_cost_is_the_definition_s(cost, batch_size, backend, dtype):
    network = Network([4, 5, 3], cost=cost, dtype=dtype, backend=backend, seed=1)
    y = np.eye(3)[RANDOM.integers(3, size=31)]
    a = network.predict(X).astype(np.float64)
    each = ((a - y) ** 2).sum(axis=1) / 2 if cost == "quadratic" else -(y * np.log(a)).sum(axis=1)
    assert network.mean_cost(X, y, batch_size=batch_size) == pytest.approx(each.mean(), rel=1e-5)


def test_softmax_over_one_unit_is_refused():
    with pytest.raises(NetworkError, match="'cross-entropy' wants at least 2 output units, got 1: softmax"):
        Network([4, 1], cost="cross-entropy")


# The count of epochs


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_one_epoch_three_times_is_three_epochs(momentum, dtype):
    case = Case((4, 5, 3), 23, momentum=momentum)
    at_once, by_one = case.network("numpy", dtype), case.network("numpy", dtype)
    data = case.host_batch(dtype)
    history = at_once.SGD(data, epochs=3, mini_batch_size=5, eta=0.5)
    parts = [by_one.SGD(data, epochs=1, mini_batch_size=5, eta=0.5)[0] for _ in range(3)]
    assert same_bits(parameters_of(at_once), parameters_of(by_one))
    assert [record.epoch for record in parts] == [record.epoch for record in history] == [1, 2, 3]
    assert at_once.epochs_trained == by_one.epochs_trained == 3


def test_training_counts_too_and_only_whole_epochs():
    case = Case((4, 5, 3), 23)
    network = case.network("numpy", "float32")
    batches = ArrayBatches(network, *case.host_batch("float32"))

    def stop(step: object) -> None:
        raise KeyboardInterrupt

    train(network, batches, epochs=2, mini_batch_size=5, eta=0.5)
    with pytest.raises(KeyboardInterrupt):
        train(network, batches, epochs=1, mini_batch_size=5, eta=0.5, after_step=stop)
    assert network.epochs_trained == 2


# Whole numbers and blocks


def test_numpy_s_whole_numbers_are_whole_numbers():
    network, other = (Network(np.array([4, 5, 3]), seed=seed) for seed in (np.uint8(7), 7))
    data = (X, np.arange(31) % 3)
    network.SGD(data, np.int64(2), np.int32(5), np.float32(0.5))
    other.SGD(data, 2, 5, 0.5)
    assert same_bits(parameters_of(network), parameters_of(other))
    assert network.evaluate(*data, batch_size=np.int16(4)) == other.evaluate(*data)


@pytest.mark.parametrize("most_bytes", [1, 100, 1000, 2**24])
def test_predicting_in_row_blocks_is_predicting_at_once(most_bytes, backend, dtype):
    network = Network([4, 5, 3], dtype=dtype, backend=backend)
    found = network.predict(X, most_bytes=most_bytes)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, outputs_of(network, dtype), rtol=1e-6)


def outputs_of(network: Network, dtype: str) -> np.ndarray:
    backend = network.backend
    return backend.to_numpy(network.feedforward(backend.asarray(X.astype(dtype))))


def test_prediction_stays_within_its_bound(dtype):
    network = Network([50, 200, 3], dtype=dtype)
    many = np.zeros((4000, 50), "float64")
    with network.backend.measure() as usage:
        result = network.predict(many, most_bytes=100_000)
    assert usage.peak_bytes - result.nbytes <= 100_000
    assert usage.peak_bytes - result.nbytes > 50_000


def test_prediction_of_what_is_not_finite_is_refused():
    wrong = X.copy()
    wrong[3, 1] = np.inf
    with pytest.raises(NetworkError, match=r"not finite: row 3, column 1 \(from 0\) is infinite as float32"):
        Network([4, 3]).predict(wrong)
