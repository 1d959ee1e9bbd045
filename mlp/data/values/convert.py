"""From bytes to what a network takes: floats in 0..1, and one-hot rows. Knows neither files nor networks.

Each works in its result, without a temporary of the result's size, so that steps take the bytes planned.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlp.data.errors import DataError
from mlp.data.values.scaling import PIXELS, Scaling

CLASSES = 10
"""The digits."""


def as_inputs(
    images: NDArray[np.uint8],
    dtype: DTypeLike = np.float32,
    *,
    out: NDArray[Any] | None = None,
    scaling: Scaling = PIXELS,
) -> NDArray[Any]:
    """`images` / 255: the same shape, `dtype`, C-contiguous, values 0..1; written to `out` if given.

    `images`: (n, features), uint8, whole or a slice. `dtype`: float32 or float64. `scaling`: the range that becomes
    0..1, where it is not 0..255. Raises DataError.
    The quotient is rounded once, so it's the same as NumPy's division in that dtype.

    >>> as_inputs(np.array([[0, 51, 255]], dtype=np.uint8)).tolist()
    [[0.0, 0.20000000298023224, 1.0]]
    """
    wanted = _float_dtype(dtype)
    if images.dtype != np.uint8:
        raise DataError(f"images: wanted uint8, 0 to 255, found {images.dtype}; as_inputs divides by 255 itself")
    inputs = np.empty(images.shape, dtype=wanted) if out is None else out
    np.copyto(inputs, images)  # exact; dividing and converting in one call is slower
    np.divide(inputs, wanted.type(scaling.high), out=inputs)
    return inputs


def one_hot(
    labels: NDArray[Any],
    *,
    classes: int = CLASSES,
    dtype: DTypeLike = np.float32,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """(n, classes), `dtype`: 1 in the column of the row's label, else 0; written to `out` if given.

    `labels`: (n,), integers, 0 to classes - 1. `dtype`: float32 or float64. Raises DataError.

    >>> one_hot(np.array([2, 0]), classes=3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"labels: wanted integers of shape (n,), found {labels.dtype} of shape {labels.shape}")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(
            f"labels: wanted 0 to {classes - 1}, label {index} is {labels[index]}; raise classes or mend the labels"
        )
    rows = np.empty((len(labels), classes), dtype=_float_dtype(dtype)) if out is None else out
    np.equal(labels[:, np.newaxis], np.arange(classes), out=rows)
    return rows


def _float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """`dtype` as a NumPy dtype, float32 or float64. Raises DataError."""
    try:
        wanted = np.dtype(dtype)
    except TypeError as error:
        raise DataError(f"dtype: wanted float32 or float64, found {dtype!r}") from error
    if wanted not in (np.float32, np.float64):
        raise DataError(f"dtype: wanted float32 or float64, found {wanted}")
    return wanted
