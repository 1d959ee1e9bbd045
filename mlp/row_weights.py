"""The weights of a mini-batch's samples, as a step takes them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backend import Backend
from mlp.arrays import as_array
from mlp.errors import NetworkError


@dataclass(frozen=True, slots=True)
class RowWeights:
    """Weights of the rows of one mini-batch, (rows,), on the device, whose sum is the number of rows.

    So gradients are still divided by the number of rows, and row blocks and ranks need not know the sum.
    """

    values: Any

    def rows(self, start: int, stop: int) -> Any:
        """Those of rows `start` to `stop`."""
        return self.values[start:stop]


def row_weights(weights: Any, rows: int, *, dtype: str, backend: Backend) -> RowWeights:
    """`weights` (rows,), any numbers from 0 on, on the backend's device; all are 0 where their sum is.

    They are divided by a power of two near the largest first, which changes no bit of the result, and keeps their sum
    and what they are multiplied by in range.

    Raises `NetworkError` for anything else.
    """
    if isinstance(weights, RowWeights):
        return weights
    host = np.asarray(backend.to_numpy(as_array("weights", weights, backend)))
    check_weights("weights", host, rows)
    return RowWeights(backend.asarray(_summing_to(rows, host).astype(dtype)))


def _summing_to(rows: int, weights: np.ndarray) -> np.ndarray:
    """`weights` times what makes their sum `rows`; zeros where all are."""
    if not weights.any():
        return np.zeros(rows)
    floats = weights if weights.dtype.kind == "f" else weights.astype(np.float64)
    near_1 = np.ldexp(floats, -np.frexp(floats.max())[1])  # the largest is from 0.5 to 1
    return np.asarray(near_1 * (rows / float(near_1.sum(dtype=np.float64))))


def check_weights(name: str, weights: np.ndarray, rows: int) -> None:
    """Raise `NetworkError`, which calls them `name`, unless they are (rows,), finite and none below 0."""
    if weights.shape != (rows,) or weights.dtype.kind not in "fiub":
        raise NetworkError(f"{name} must be {rows} numbers, one a sample; got {weights.shape} of {weights.dtype}")
    fits = np.isfinite(weights) & (weights >= 0)
    if not fits.all():
        row = int(np.argmin(fits))
        raise NetworkError(f"{name} must be finite and at least 0; that of sample {row} is {weights[row]}")
