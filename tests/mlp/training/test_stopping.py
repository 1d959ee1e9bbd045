"""What one sees of a training, and what stops it: validation, early stopping, callbacks, and the history that stays."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from mlp import ArrayBatches, EarlyStopping, EpochRecord, NetworkError, TrainingError
from mlp.data.errors import DataError
from mlp.training.metrics import mean_cost
from mlp.training.stopping import METRICS, BestParameters, Patience, Stopper
from mlp.training.validation import SomeBatches, parts_of
from tests.conftest import Case, parameters_of, same_bits

CASE = Case((5, 4, 3), 40, seed=3)


@pytest.fixture
def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return CASE.host_batch(dtype)


# Validation


def test_validation_data_is_measured_after_each_epoch_and_changes_no_weight(backend, dtype, data):
    network, other = CASE.network(backend, dtype), CASE.network(backend, dtype)
    validation = tuple(x[:9] for x in data)
    history = network.SGD(data, epochs=3, mini_batch_size=8, eta=0.5, validation_data=validation)
    other.SGD(data, epochs=3, mini_batch_size=8, eta=0.5)
    assert same_bits(parameters_of(network), parameters_of(other))
    assert history[-1].validation_cost == pytest.approx(network.mean_cost(*validation), rel=1e-6)
    assert all(record.test_cost is None for record in history)


def test_validation_split_trains_on_the_rest_alone(backend, dtype, data):
    network, by_hand = CASE.network(backend, dtype), CASE.network(backend, dtype)
    history = network.SGD(data, epochs=2, mini_batch_size=8, eta=0.5, validation_split=0.25)
    batches = ArrayBatches(by_hand, *data)
    training, held = parts_of(batches, 0.25, seed=CASE.seed)
    assert (len(training), len(held)) == (30, 10)
    by_hand.SGD(training, epochs=2, mini_batch_size=8, eta=0.5)
    assert same_bits(parameters_of(network), parameters_of(by_hand))
    assert history[-1].validation_cost == pytest.approx(mean_cost(by_hand, held), rel=1e-6)


def test_parts_are_apart_and_together_everything(data, dtype):
    batches = ArrayBatches(CASE.network("numpy", dtype), *data)
    parts = parts_of(batches, 0.3, seed=5)
    rows = [row.tobytes() for part in parts for row in part.take(slice(0, len(part)))[0]]
    assert sorted(rows) == sorted(row.tobytes() for row in data[0])


def test_part_fills_what_it_takes(data, dtype):
    part = SomeBatches(ArrayBatches(CASE.network("numpy", dtype), *data), np.array([7, 1, 4]))
    X, y = np.empty((2, 5), dtype), np.empty((2, 3), dtype)
    part.fill(np.array([2, 0]), X, y)
    assert part.on_host
    assert same_bits([X, y], list(part.take(np.array([2, 0]))))
    assert same_bits([X], [data[0][[4, 7]]])


@pytest.mark.parametrize("share", [0, 1, -0.5, nan, "0.1", None, True])
def test_split_that_is_no_share_is_refused(share, data, dtype):
    with pytest.raises(NetworkError, match=r"^validation_split must be"):
        parts_of(ArrayBatches(CASE.network("numpy", dtype), *data), share, seed=0)


def test_empty_part_is_refused(data, dtype):
    with pytest.raises(DataError, match="wanted at least one of each"):
        CASE.network("numpy", dtype).SGD(data, 1, 8, 0.5, validation_split=0.001)


def test_two_ways_to_validate_are_refused(data, dtype):
    with pytest.raises(NetworkError, match="give one"):
        CASE.network("numpy", dtype).SGD(data, 1, 8, 0.5, validation_split=0.5, validation_data=data)


# Stopping


def test_early_stopping_ends_with_the_parameters_of_the_best_epoch(backend, dtype, data):
    network = CASE.network(backend, dtype)
    kept = []
    history = network.SGD(
        data,
        epochs=60,
        mini_batch_size=8,
        eta=8.0,
        validation_split=0.25,
        early_stopping=3,
        callbacks=[lambda record: kept.append(parameters_of(network))],
    )
    costs = [record.validation_cost for record in history]
    best = int(np.argmin(costs))
    assert len(history) < 60
    assert len(history) == best + 1 + 3
    assert not same_bits(kept[best], kept[-1])
    assert same_bits(parameters_of(network), kept[best])


@pytest.mark.parametrize(
    ("values", "rule", "stops"),
    [
        ([3, 2, 1, 1, 1], Patience(), [0, 0, 0, 1, 2]),
        ([3, 2.95, 2.9, 2.4], Patience(0.5), [0, 1, 2, 0]),
        ([0.1, 0.2, 0.2, 0.15, 0.3], Patience(larger_is_better=True), [0, 0, 1, 2, 0]),
        ([nan, 1, nan, 0.5], Patience(), [1, 0, 1, 0]),
    ],
)
def test_patience_counts_the_epochs_without_improvement(values, rule, stops):
    assert [(rule.see(value), rule.waited)[1] for value in values] == stops


def test_small_improvements_are_kept_though_they_are_waited_over():
    rule = Patience(0.5)
    assert [rule.see(value) for value in (3, 2.9, 2.8, 2.85)] == [True, True, True, False]


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_is_watched_in_its_direction(metric, dtype):
    stopper = Stopper(EarlyStopping(1, metric=metric), CASE.network("numpy", dtype))
    better, worse = (0.9, 0.8) if metric.endswith("accuracy") else (0.8, 0.9)
    record = EpochRecord(1, 0.0, None)
    assert not stopper(replace(record, **{metric: better}))
    assert stopper(replace(record, epoch=2, **{metric: worse}))
    assert stopper.best_epoch == 1


def test_metric_that_is_not_measured_is_named(data, dtype):
    with pytest.raises(NetworkError, match="watches validation_cost, which is not measured; give validation_data"):
        CASE.network("numpy", dtype).SGD(data, 2, 8, 0.5, early_stopping=True)


@pytest.mark.parametrize(
    "rule",
    [
        {"patience": 0},
        {"patience": True},
        {"patience": 1.5},
        {"least_change": -1},
        {"least_change": nan},
        {"metric": "cost"},
    ],
)
def test_rule_that_is_none_is_refused(rule):
    with pytest.raises(NetworkError, match=next(iter(rule))):
        EarlyStopping(**rule)


def test_best_parameters_take_the_bytes_of_the_parameters_once(backend, dtype):
    network = CASE.network(backend, dtype)
    best = BestParameters(network)
    assert best.nbytes == (5 * 4 + 4 + 4 * 3 + 3) * np.dtype(dtype).itemsize
    before = parameters_of(network)
    best.restore()
    assert same_bits(parameters_of(network), before)
    best.keep()
    network.update_mini_batch(*CASE.batch(backend, dtype), eta=1.0)
    best.restore()
    assert same_bits(parameters_of(network), before)


def test_keeping_and_restoring_the_best_parameters_allocates_nothing(dtype):
    network = CASE.network("numpy", dtype)
    best = BestParameters(network)
    with network.backend.measure() as usage:
        best.keep()
        best.restore()
    assert usage.peak_bytes == 0


# However it ends


def test_callback_that_returns_true_stops_once_all_have_been_called(data, dtype):
    network, seen = CASE.network("numpy", dtype), []
    history = network.SGD(
        data, 9, 8, 0.5, callbacks=[lambda record: record.epoch == 2, lambda record: seen.append(record.epoch)]
    )
    assert [record.epoch for record in history] == seen == [1, 2]
    assert network.epochs_trained == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_history_outlives_whatever_stops_the_training(error, data, dtype):
    network = CASE.network("numpy", dtype)

    def stop(record):
        if record.epoch == 3:
            raise error

    with pytest.raises(error):
        network.SGD(data, 9, 8, 0.5, callbacks=[stop])
    assert [record.epoch for record in network.history] == [1, 2, 3]
    network.SGD(data, 1, 8, 0.5)
    assert [record.epoch for record in network.history] == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_training_that_diverges_keeps_its_history_and_the_best_parameters(data, dtype):
    network = CASE.network("numpy", dtype)
    kept = []

    def spoil(record):
        kept.append(parameters_of(network))
        if record.epoch == 2:
            network.weights[0][0, 0] = nan

    with pytest.raises(TrainingError):
        network.SGD(data, 9, 8, 0.1, validation_split=0.25, early_stopping=5, callbacks=[spoil])
    costs = [record.validation_cost for record in network.history]
    assert len(costs) == 2
    assert same_bits(parameters_of(network), kept[int(np.argmin(costs))])
