"""`dataset_from_arrays`, `Dataset`: what is taken, what is refused, and what stays as it was."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlp.data import DataError, Dataset, dataset_from_arrays

Arrays = dict[str, NDArray[Any]]


def made(arrays: Arrays) -> Dataset:
    keys = ("x_train", "y_train", "x_test", "y_test")
    return dataset_from_arrays(*(arrays[key] for key in keys), name="digits")


def test_images_are_flattened_and_stay_uint8(arrays: Arrays) -> None:
    dataset = made(arrays)
    assert dataset.train_images.shape == (20, 12)
    assert dataset.test_images.shape == (10, 12)
    assert dataset.features == 12
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
    np.testing.assert_array_equal(dataset.train_images, arrays["x_train"].reshape(20, 12))


def test_dataset_is_read_only_and_the_callers_arrays_are_not(arrays: Arrays) -> None:
    mine = {key: array.copy() for key, array in arrays.items()}
    dataset = made(mine)
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0, 0] = 1
    mine["x_train"][0, 0, 0] = 1
    assert np.shares_memory(dataset.train_images, mine["x_train"])


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u2", "u8", ">i8"])
def test_labels_of_any_integer_dtype_are_taken(arrays: Arrays, dtype: str) -> None:
    dataset = made(arrays | {"y_train": arrays["y_train"].astype(dtype)})
    np.testing.assert_array_equal(dataset.train_labels, arrays["y_train"], strict=True)


def test_strided_arrays_are_taken(arrays: Arrays) -> None:
    dataset = made(arrays | {"x_train": arrays["x_train"][::2, :, ::-1], "y_train": arrays["y_train"][::2]})
    np.testing.assert_array_equal(dataset.train_images, arrays["x_train"][::2, :, ::-1].reshape(10, 12))
    assert dataset.train_labels.flags.c_contiguous


@pytest.mark.parametrize(
    ("key", "change", "complaint"),
    [
        ("x_train", lambda x: x.astype(np.float32), "digits: train images: wanted uint8, 0 to 255, found float32"),
        ("x_test", lambda x: x.astype(np.int64), "digits: test images: wanted uint8, 0 to 255, found int64"),
        ("x_train", lambda x: x.reshape(20, 2, 1, 2, 3), r"wanted \(n, features\), or images \(n, rows, columns\)"),
        ("x_train", lambda x: x.reshape(-1), r"found shape \(240,\)"),
        ("x_train", lambda x: x[:0], "train images: there are none"),
        ("x_test", lambda x: x[:, :0], "test images: there are none"),
        ("x_test", lambda x: x[:, :2], r"train images are \(4, 3\), test images \(2, 3\); wanted the same size"),
        ("x_train", lambda x: x[:-1], "19 train images but 20 train labels"),
        ("y_test", lambda y: y[:-1], "10 test images but 9 test labels"),
        ("y_train", lambda y: y * 1j, "train labels: wanted whole numbers, text or floats, found complex128"),
        ("y_train", lambda y: y[:, None, None], r"wanted shape \(n,\), or \(n, outputs\), found \(20, 1, 1\)"),
        ("y_train", lambda y: np.stack([y, y], axis=1), "wanted targets of one width in all parts"),
        ("y_train", lambda y: np.array([str(label) for label in y]), "labels are text in one part and numbers in an"),
        ("y_train", lambda y: y[:0], "20 train images but 0 train labels"),
        ("y_test", lambda y: np.r_[y[1:], np.array([2**64 - 1], dtype="u8")], "holds the label 18446744073709551615"),
    ],
)
def test_unfit_arrays_are_refused(
    arrays: Arrays, key: str, change: Callable[[NDArray[Any]], NDArray[Any]], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        made(arrays | {key: change(arrays[key])})


def test_digest_is_of_the_data_alone(arrays: Arrays) -> None:
    digest = made(arrays).digest
    flat = arrays | {"x_train": arrays["x_train"].reshape(20, 12), "x_test": arrays["x_test"].reshape(10, 12)}
    assert made(flat | {"y_train": arrays["y_train"].astype(np.int64)}).digest == digest
    assert len(bytes.fromhex(digest)) == 32


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_digest_changes_with_any_value(arrays: Arrays, key: str) -> None:
    changed = arrays[key].copy()
    changed.flat[-1] = (changed.flat[-1] + 1) % 10
    assert made(arrays | {key: changed}).digest != made(arrays).digest


def test_digest_tells_shapes_apart(arrays: Arrays) -> None:
    images = np.zeros((4, 6), dtype=np.uint8)
    labels = np.zeros(4, dtype=np.uint8)
    wide = dataset_from_arrays(images, labels, images, labels, name="wide")
    high = dataset_from_arrays(
        images.reshape(6, 4), np.zeros(6, np.uint8), images.reshape(6, 4), np.zeros(6, np.uint8), name=""
    )
    assert wide.digest != high.digest
