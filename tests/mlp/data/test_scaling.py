"""The scaling of raw values: that of the data, remembered by the network that was trained on it."""

from typing import Any

import numpy as np
import pytest

from mlp import ImageBatches, Network, NetworkError, train
from mlp.data import DataError, dataset_from_arrays
from mlp.data.values.scaling import PIXELS, Scaling


def dataset(largest: int, *, of_test: int | None = None, notice: str | None = None) -> Any:
    random = np.random.default_rng(0)
    train_images, test_images = random.integers(0, largest + 1, (2, 40, 6)).astype(np.uint8)
    train_images[0, 0], test_images[0, 0] = largest, of_test or largest
    labels = np.arange(40) % 3
    return dataset_from_arrays(train_images, labels, test_images, labels, name="digits", notice=notice)


@pytest.mark.parametrize("largest", [1, 15, 16, 32])
def test_narrow_range_is_a_range_of_its_own_and_said(largest):
    found = dataset(largest)
    assert found.scaling == Scaling(float(largest))
    assert found.notice == f"pixels of digits run from 0 to {largest}, and are divided by {largest} and not by 255"


def test_what_was_to_be_said_is_still_said():
    assert dataset(16, notice="downloaded").notice.startswith("downloaded; pixels of digits run")


@pytest.mark.parametrize("largest", [33, 128, 255])
def test_other_images_of_bytes_are_divided_by_255(largest):
    assert (dataset(largest).scaling, dataset(largest).notice) == (PIXELS, None)


def test_range_is_that_of_training_and_test_images_together():
    assert dataset(15, of_test=16).scaling == Scaling(16.0)
    assert dataset(16, of_test=255).scaling == PIXELS


def test_black_images_are_no_range():
    black, labels = np.zeros((2, 4), np.uint8), np.zeros(2, np.uint8)
    assert dataset_from_arrays(black, labels, black, labels, name="black").scaling == PIXELS


def test_mini_batches_run_from_0_to_1(dtype):
    data = dataset(16)
    network = Network([6, 3], dtype=dtype)
    batches = ImageBatches(network, data.train_images, data.train_labels, scaling=data.scaling)
    X, y = batches.take(slice(0, 40))
    assert X.max() == 1.0
    filled = np.empty_like(X), np.empty_like(y)
    batches.fill(slice(0, 40), *filled)
    assert np.array_equal(filled[0], X)


def test_network_remembers_the_scaling_and_refuses_images_of_another_range():
    data, other = dataset(16), dataset(255)
    network = Network([6, 3])
    batches = ImageBatches(network, data.train_images, data.train_labels, scaling=data.scaling)
    train(network, batches, epochs=1, mini_batch_size=10, eta=0.1)
    assert network.scaling == Scaling(16.0)
    assert ImageBatches(network, data.test_images, data.test_labels).scaling == Scaling(16.0)
    with pytest.raises(NetworkError, match="run from 0 to 255, and the network was trained on 0 to 16"):
        ImageBatches(network, other.test_images, other.test_labels, scaling=other.scaling)


@pytest.mark.parametrize("high", [0, -1, float("nan"), float("inf"), "255", None, True])
def test_range_that_is_none_is_refused(high):
    with pytest.raises(DataError, match="largest raw value must be finite and above 0"):
        Scaling(high)
