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

    Raises `NetworkError` for anything else.
    """
    if isinstance(weights, RowWeights):
        return weights
    host = np.asarray(backend.to_numpy(as_array("weights", weights, backend)))
    check_weights("weights", host, rows)
    total = float(host.sum(dtype=np.float64))
    scaled = np.zeros(rows) if total == 0 else host * (rows / total)
    return RowWeights(backend.asarray(scaled.astype(dtype)))


def check_weights(name: str, weights: np.ndarray, rows: int) -> None:
    """Raise `NetworkError`, which calls them `name`, unless they are (rows,), finite and none below 0."""
    if weights.shape != (rows,) or weights.dtype.kind not in "fiub":
        raise NetworkError(f"{name} must be {rows} numbers, one a sample; got {weights.shape} of {weights.dtype}")
    fits = np.isfinite(weights) & (weights >= 0)
    if not fits.all():
        row = int(np.argmin(fits))
        raise NetworkError(f"{name} must be finite and at least 0; that of sample {row} is {weights[row]}")
