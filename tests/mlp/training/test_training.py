"""The training loop: what an epoch takes, in which order, and that it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp import ArrayBatches, EpochRecord, Network, Step, accuracy, train
from mlp.data import load
from mlp.training.loop import epoch_order
from tests.conftest import Case, parameters_of, same_bits

CASE = Case((5, 4, 3), 23, seed=11)
MNIST = Path(__file__).parents[3].parent / "shared" / "data" / "mnist.npz"


@pytest.fixture
def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return CASE.host_batch(dtype)


# One epoch


@pytest.mark.parametrize("mini_batch_size", [1, 5, 8, 22, 23])
def test_each_sample_is_trained_on_once_an_epoch_and_the_smaller_last_batch_too(mini_batch_size, backend, dtype, data):
    network, by_hand = CASE.network(backend, dtype), CASE.network(backend, dtype)
    network.SGD(data, epochs=2, mini_batch_size=mini_batch_size, eta=0.7, shuffle=False)
    for _ in range(2):
        for start in range(0, 23, mini_batch_size):
            X, y = (x[start : start + mini_batch_size] for x in data)
            by_hand.update_mini_batch(X, y, eta=0.7)
    assert same_bits(parameters_of(network), parameters_of(by_hand))


def test_shuffled_epoch_takes_the_samples_in_its_order(backend, dtype, data):
    network, by_hand = CASE.network(backend, dtype), CASE.network(backend, dtype)
    network.SGD(data, epochs=2, mini_batch_size=5, eta=0.7)
    for epoch in (1, 2):
        order = epoch_order(23, seed=11, epoch=epoch)
        for start in range(0, 23, 5):
            X, y = (x[order[start : start + 5]] for x in data)
            by_hand.update_mini_batch(X, y, eta=0.7)
    assert same_bits(parameters_of(network), parameters_of(by_hand))


def test_data_on_the_device_trains_like_data_on_the_host(backend, dtype, data):
    network, other = CASE.network(backend, dtype), CASE.network(backend, dtype)
    network.SGD(data, epochs=2, mini_batch_size=5, eta=0.7)
    other.SGD(CASE.batch(backend, dtype), epochs=2, mini_batch_size=5, eta=0.7)
    assert same_bits(parameters_of(network), parameters_of(other))


@pytest.mark.parametrize("n_samples", [1, 2, 100])
def test_order_of_an_epoch_is_a_permutation(n_samples):
    assert sorted(epoch_order(n_samples, seed=0, epoch=1)) == list(range(n_samples))


def test_order_depends_on_seed_and_epoch_alone():
    first, again = epoch_order(50, seed=3, epoch=2), epoch_order(50, seed=3, epoch=2)
    assert first.tolist() == again.tolist()
    assert first.tolist() != epoch_order(50, seed=3, epoch=3).tolist()
    assert first.tolist() != epoch_order(50, seed=4, epoch=2).tolist()


def test_training_again_from_the_same_seed_gives_the_same_weights(backend, dtype, data):
    networks = [CASE.network(backend, dtype) for _ in range(2)]
    for network in networks:
        network.SGD(data, epochs=3, mini_batch_size=4, eta=1.0)
    assert same_bits(*(parameters_of(network) for network in networks))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_that_goes_on_from_a_step_ends_like_one_that_never_stopped(momentum, dtype, data):
    case = Case((5, 4, 3), 23, momentum=momentum)
    whole, parts = case.network("numpy", dtype), case.network("numpy", dtype)
    train(whole, ArrayBatches(whole, *data), epochs=3, mini_batch_size=5, eta=0.5)

    class Stop(Exception):
        pass

    def stop(step: Step) -> None:
        if (step.epoch, step.step) == (2, 3):
            raise Stop

    batches = ArrayBatches(parts, *data)
    with pytest.raises(Stop):
        train(parts, batches, epochs=3, mini_batch_size=5, eta=0.5, after_step=stop)
    train(parts, batches, epochs=3, mini_batch_size=5, eta=0.5, first_epoch=2, first_step=4)
    assert same_bits(parameters_of(whole), parameters_of(parts))


# What training tells


def test_history_has_a_record_of_each_epoch(backend, dtype, data):
    network = CASE.network(backend, dtype)
    history = network.SGD(data, epochs=3, mini_batch_size=5, eta=1.0, test_data=data)
    assert [record.epoch for record in history] == [1, 2, 3]
    assert all(isinstance(record, EpochRecord) and record.seconds > 0 for record in history)
    assert history[-1].test_accuracy == network.evaluate(*data)


def test_history_without_test_data_has_no_accuracy(data, dtype):
    history = CASE.network("numpy", dtype).SGD(data, epochs=1, mini_batch_size=5, eta=1.0)
    assert [record.test_accuracy for record in history] == [None]


def test_each_step_and_epoch_is_told(data, dtype):
    network = CASE.network("numpy", dtype)
    told: list[Any] = []
    history = train(
        network,
        ArrayBatches(network, *data),
        epochs=2,
        mini_batch_size=10,
        eta=1.0,
        after_step=told.append,
        after_epoch=told.append,
    )
    steps = [[Step(epoch, 1, 10), Step(epoch, 2, 10), Step(epoch, 3, 3)] for epoch in (1, 2)]
    assert told == [*steps[0], history[0], *steps[1], history[1]]


def test_update_given_takes_the_place_of_the_network_s(data, dtype):
    network = CASE.network("numpy", dtype)
    before = parameters_of(network)
    rows: list[int] = []
    train(
        network,
        ArrayBatches(network, *data),
        epochs=1,
        mini_batch_size=10,
        eta=1.0,
        update=lambda X, y, eta: rows.append(len(X)),
    )
    assert rows == [10, 10, 3]
    assert same_bits(parameters_of(network), before)


def test_training_prints_nothing_where_there_is_no_terminal(data, dtype, capfd):
    CASE.network("numpy", dtype).SGD(data, epochs=1, mini_batch_size=5, eta=1.0)
    assert capfd.readouterr() == ("", "")


def test_training_leaves_the_data_alone(backend, dtype, data):
    before = [x.copy() for x in data]
    CASE.network(backend, dtype).SGD(data, epochs=2, mini_batch_size=5, eta=1.0, test_data=data)
    assert same_bits(list(data), before)


# It learns


def test_network_learns_exclusive_or(backend, dtype):
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype)
    y = np.eye(2, dtype=dtype)[[0, 1, 1, 0]]
    network = Network([2, 8, 2], activation="tanh", cost="cross-entropy", dtype=dtype, seed=1, backend=backend)
    history = network.SGD((X, y), epochs=200, mini_batch_size=4, eta=0.5, test_data=(X, y))
    assert history[-1].test_accuracy == 1.0


@pytest.fixture(scope="module")
def sample() -> Any:
    return load("sample")


def accuracies(network: Network, dataset: Any, *, epochs: int, mini_batch_size: int, eta: float) -> list[float]:
    """Accuracies on the test images, before training and after each epoch."""
    from mlp.training.samples import ImageBatches

    test = ImageBatches(network, dataset.test_images, dataset.test_labels)
    training = ImageBatches(network, dataset.train_images, dataset.train_labels)
    begin = accuracy(network, test)
    history = train(network, training, epochs=epochs, mini_batch_size=mini_batch_size, eta=eta, test_data=test)
    return [begin, *(record.test_accuracy for record in history)]


def test_classic_network_learns_the_sample(sample):
    begin, *_, end = accuracies(Network([784, 100, 30, 10]), sample, epochs=3, mini_batch_size=10, eta=3.0)
    assert begin < 0.2
    assert end > 0.8


@pytest.mark.parametrize(("initialization", "learns"), [("scaled", True), ("normal", False)])
def test_fifty_hidden_layers_learn_from_scaled_weights_only(initialization, learns, sample):
    sizes = [784, *[64] * 50, 10]
    network = Network(sizes, activation="tanh", cost="cross-entropy", initialization=initialization)
    *_, end = accuracies(network, sample, epochs=2, mini_batch_size=20, eta=0.01)
    assert (end > 0.4) is learns


@pytest.mark.skipif(not MNIST.exists(), reason=f"there is no {MNIST}")
@pytest.mark.parametrize(
    ("initialization", "mini_batch_size", "epochs"), [("normal", 10, 10), ("scaled", 100, 10)], ids=["normal", "scaled"]
)
def test_classic_network_reaches_935_in_a_thousand_on_mnist(initialization, mini_batch_size, epochs):
    from mlp.data import load
    from mlp.training.samples import ImageBatches

    dataset = load(MNIST)
    network = Network([784, 100, 30, 10], initialization=initialization)
    test = ImageBatches(network, dataset.test_images, dataset.test_labels)
    training = ImageBatches(network, dataset.train_images, dataset.train_labels)
    for epoch in range(1, epochs + 1):
        (record,) = train(
            network,
            training,
            epochs=epoch,
            first_epoch=epoch,
            mini_batch_size=mini_batch_size,
            eta=3.0,
            test_data=test,
        )
        if record.test_accuracy >= 0.935:
            return
    pytest.fail(f"{record.test_accuracy} after {epochs} epochs")


def test_mini_batches_of_images_are_the_quotients_and_one_hot_rows_in_the_order_asked_for(dtype: str) -> None:
    from mlp.data import as_inputs, one_hot
    from mlp.training.samples import ImageBatches

    random = np.random.default_rng(5)
    images, labels = random.integers(0, 256, (50, 6), np.uint8), random.integers(0, 3, 50, np.uint8)
    batches = ImageBatches(Network([6, 4, 5], dtype=dtype), images, labels)
    order = random.permutation(50)[:7]
    first, again = batches.take(order), batches.take(order[::-1])
    for rows, (X, y) in ((order, first), (order[::-1], again), (slice(3, 9), batches.take(slice(3, 9)))):
        np.testing.assert_array_equal(X, as_inputs(images[rows], dtype), strict=True)
        np.testing.assert_array_equal(y, one_hot(labels[rows], classes=5, dtype=dtype), strict=True)
