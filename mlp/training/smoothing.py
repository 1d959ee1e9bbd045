"""Label smoothing: targets that are less sure, (1 - s) y + s / K of K classes (Szegedy et al. 2016)."""

from typing import Any

import numpy as np

from mlp.arguments import check_number
from mlp.errors import NetworkError
from mlp.training.batches import Batches, Taker
from mlp.training.sources import Rows


class SmoothedBatches:
    """The mini-batches of `data` with smoothed targets, each in an array of its own; `data` stays as it is.

    Binary cross-entropy has two classes a unit, cross-entropy as many as there are units. Raises `NetworkError` for an
    `amount` that is not from 0 to 1, and for another cost.
    """

    def __init__(self, taker: Taker, data: Batches, amount: float) -> None:
        if not 0 <= check_number("label_smoothing", amount) < 1:
            raise NetworkError(f"label_smoothing must be at least 0 and below 1; got {amount!r}")
        if taker.cost == "quadratic":
            raise NetworkError(
                "label_smoothing is for targets that name classes, under cost 'cross-entropy' or "
                "'binary-cross-entropy'; got 'quadratic'"
            )
        self._taker, self._data = taker, data
        self._kept = 1 - float(amount)
        self._added = float(amount) / (2 if taker.cost == "binary-cross-entropy" else taker.sizes[-1])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_data":
            raise AttributeError(name)
        return getattr(self._data, name)

    def __len__(self) -> int:
        return len(self._data)

    def take(self, rows: Rows) -> tuple[Any, Any]:
        X, y = self._data.take(rows)
        smoothed = self._taker.backend.empty(tuple(y.shape), self._taker.dtype)
        self._taker.backend.set_(smoothed, y)
        with self._taker.backend.current():
            self._smooth(smoothed)
        return X, smoothed

    def fill(self, rows: Rows, X: np.ndarray, y: np.ndarray) -> None:
        """See `HostBatches.fill`, of data that has it."""
        self._data.fill(rows, X, y)  # type: ignore[attr-defined]
        self._smooth(y)

    def _smooth(self, y: Any) -> None:
        y *= self._kept
        y += self._added
