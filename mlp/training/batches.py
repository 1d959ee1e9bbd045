"""Mini-batches: rows of a data set, taken on demand, as arrays of a network's dtype on its device.

The data set stays where it is. A mini-batch in order is a view where that is possible; one in shuffled order is
gathered. Images stay uint8 until they are taken, which is a quarter of the bytes of float32.
"""

from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from backend import Backend
from mlp.arrays import check_finite
from mlp.errors import NetworkError
from mlp.training.sources import Rows, inputs_of, targets_of
from mlp.training.targets import check_targets

CHECKED_ROWS = 4096
"""Rows checked at a time, so that checking takes little memory."""


class Taker(Protocol):
    """The network that mini-batches are taken for, as far as it matters here."""

    @property
    def sizes(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...

    @property
    def backend(self) -> Backend: ...

    @property
    def cost(self) -> str: ...

    def as_batch(self, X: Any, y: Any) -> tuple[Any, Any]: ...

    def trusting_inputs(self) -> AbstractContextManager[None]: ...


class Batches(Protocol):
    """A data set that mini-batches can be taken from."""

    def __len__(self) -> int: ...

    def take(self, rows: Rows) -> tuple[Any, Any]:
        """X (k, n_0) and y (k, n_L) of these rows, on the taker's device."""
        ...


def known_finite(data: Batches) -> bool:
    """Whether `data` has checked that all of its inputs are finite, so that no step needs to."""
    return bool(getattr(data, "finite", False))


@runtime_checkable
class HostBatches(Batches, Protocol):
    """A data set that, where it is on the host (`on_host`), can write its mini-batches to given host arrays."""

    @property
    def on_host(self) -> bool: ...

    def fill(self, rows: Rows, X: np.ndarray, y: np.ndarray) -> None:
        """Write these rows to `X` (k, n_0) and `y` (k, n_L), of the network's dtype: the values of `take`.

        Where the data has a divisor (`divisor_of`), `X` may be uint8, and is filled with what is still to be divided.
        """
        ...


def divisor_of(data: Batches) -> float | None:
    """What the inputs of `data`, stored in uint8, are to be divided by; None where they are other numbers."""
    divisor: float | None = getattr(data, "divisor", None)
    return divisor


class ArrayBatches:
    """Mini-batches of a pair of arrays, on host or device: `X` (n, n_0) and `y` (n, n_L), or labels (n,) or (n, 1).

    Raises `NetworkError` where they don't fit the network, or hold a value that is not finite in its dtype; it says of
    which argument, `of`, they are.
    """

    finite = True
    """Whether all inputs are known to be finite."""

    def __init__(self, taker: Taker, X: Any, y: Any, *, of: str = "") -> None:
        self._taker = taker
        self._X = inputs_of(X, taker.sizes[0], taker.dtype, taker.backend)
        self._y = targets_of(y, taker.sizes[-1], taker.dtype, taker.backend)
        if len(self._X) != len(self._y):
            raise NetworkError(f"X and y must have as many rows; got {len(self._X)} and {len(self._y)}")
        for name, source in (("X", self._X), ("y", self._y)):
            for start in range(0, len(source), CHECKED_ROWS):
                part = source.take(slice(start, min(start + CHECKED_ROWS, len(source))))
                check_finite(part, taker.backend, name=name, first=start, of=of)
                if source is self._y:
                    check_targets(taker.backend.to_numpy(part), taker.cost, first=start)

    def __len__(self) -> int:
        return len(self._X)

    def take(self, rows: Rows) -> tuple[Any, Any]:
        with self._taker.trusting_inputs():
            return self._taker.as_batch(self._X.take(rows), self._y.take(rows))

    def targets(self, rows: Rows) -> np.ndarray:
        """These rows of y, on the host."""
        return self._taker.backend.to_numpy(self._y.take(rows))

    @property
    def on_host(self) -> bool:
        """Whether both arrays are on the host."""
        return self._X.on_host and self._y.on_host

    def fill(self, rows: Rows, X: np.ndarray, y: np.ndarray) -> None:
        X[...] = self._X.take(rows)
        y[...] = self._y.take(rows)
