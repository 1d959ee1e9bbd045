"""`as_inputs`, `one_hot`: exact values, one pass, no temporary of the result's size."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from mlp.data import DataError, as_inputs, one_hot


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_are_the_correctly_rounded_quotients(dtype: str) -> None:
    images = np.arange(256, dtype=np.uint8).reshape(16, 16)
    inputs = as_inputs(images, dtype)
    np.testing.assert_array_equal(inputs, images.astype(dtype) / np.dtype(dtype).type(255), strict=True)
    assert inputs.min() == 0
    assert inputs.max() == 1
    assert inputs.flags.c_contiguous


def test_inputs_of_a_slice_are_c_contiguous() -> None:
    images = np.arange(240, dtype=np.uint8).reshape(20, 12)
    inputs = as_inputs(images[::3, ::-1])
    assert inputs.flags.c_contiguous
    np.testing.assert_array_equal(inputs, as_inputs(images)[::3, ::-1])


def test_inputs_take_no_temporary() -> None:
    images = np.zeros((1000, 784), dtype=np.uint8)
    as_inputs(images[:1])
    tracemalloc.start()
    try:
        inputs = as_inputs(images, np.float32)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < inputs.nbytes + 256 * 1024  # NumPy's own casting buffers have a fixed size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels_dtype", ["u1", "i8", "u8", ">i2"])
def test_one_hot_has_its_one_at_the_label(dtype: str, labels_dtype: str) -> None:
    labels = np.array([3, 0, 9, 3], dtype=labels_dtype)
    rows = one_hot(labels, dtype=dtype)
    assert rows.shape == (4, 10)
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows.argmax(axis=1), labels)
    np.testing.assert_array_equal(rows.sum(axis=1), 1)


def test_one_hot_takes_more_classes_than_the_labels_dtype_can_count() -> None:
    rows = one_hot(np.array([0, 255], dtype=np.uint8), classes=300)
    assert rows.sum() == 2
    assert rows[1, 255] == 1


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (np.array([0, 10]), "wanted 0 to 9, label 1 is 10"),
        (np.array([-1, 0]), "wanted 0 to 9, label 0 is -1"),
        (np.array([0.0]), r"wanted integers of shape \(n,\), found float64"),
        (np.array([[0]]), r"of shape \(1, 1\)"),
    ],
)
def test_unfit_labels_are_refused(labels: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        one_hot(labels)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "complex64", ">f4", "nonsense", object])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(DataError, match="dtype: wanted float32 or float64"):
        as_inputs(np.zeros((1, 1), dtype=np.uint8), dtype)
    with pytest.raises(DataError, match="dtype: wanted float32 or float64"):
        one_hot(np.zeros(1, dtype=np.uint8), dtype=dtype)


def test_images_that_are_floats_already_are_refused() -> None:
    with pytest.raises(DataError, match="found float32; as_inputs divides by 255 itself"):
        as_inputs(np.zeros((1, 1), dtype=np.float32))
