"""Mini-batches: rows of a data set, taken when asked for, as arrays of a network's dtype on its device.

The data set stays where it is. A mini-batch in order is a view where that is possible; one in shuffled order is
gathered. Images stay uint8 until they are asked for, which is a quarter of the bytes of float32.
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from backend import Backend
from mlp.data.convert import as_inputs, one_hot
from mlp.errors import NetworkError

CHECKED_ROWS = 4096
"""Rows that are looked at a time when data is checked, so that checking holds little."""


class Taker(Protocol):
    """What mini-batches are taken for: layers of these sizes, dtype and device."""

    @property
    def sizes(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...

    @property
    def backend(self) -> Backend: ...

    def as_batch(self, X: Any, y: Any) -> tuple[Any, Any]: ...


class Batches(Protocol):
    """A data set that mini-batches can be taken of."""

    def __len__(self) -> int: ...

    def take(self, rows: slice | np.ndarray) -> tuple[Any, Any]:
        """X (k, n_0) and y (k, n_L) of the rows named, on the taker's device."""
        ...


@runtime_checkable
class HostBatches(Batches, Protocol):
    """A data set whose mini-batches can be written to arrays of the host, if it lies there: `on_host`."""

    @property
    def on_host(self) -> bool: ...

    def fill(self, rows: slice | np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
        """Write the rows named to `X` (k, n_0) and `y` (k, n_L), of the network's dtype: the values of `take`."""
        ...


class ArrayBatches:
    """Mini-batches of a pair of arrays: `X` (n, n_0) and `y` (n, n_L), of the network's dtype, on host or device.

    Raises `NetworkError` where they don't fit the network, or hold a value that is not finite.
    """

    def __init__(self, taker: Taker, X: Any, y: Any) -> None:
        self._taker = taker
        for name, x, width in (("X", X, taker.sizes[0]), ("y", y, taker.sizes[-1])):
            if getattr(x, "ndim", None) != 2 or x.shape[1] != width or x.shape[0] == 0:
                raise NetworkError(
                    f"{name} must be an array (n, {width}), a sample a row; got {getattr(x, 'shape', type(x).__name__)}"
                )
        if X.shape[0] != y.shape[0]:
            raise NetworkError(f"X and y must have as many rows; got {X.shape[0]} and {y.shape[0]}")
        taker.as_batch(X[:1, :], y[:1, :])  # the dtype
        for name, x in (("X", X), ("y", y)):
            for start in range(0, x.shape[0], CHECKED_ROWS):
                checked = x[start : min(start + CHECKED_ROWS, x.shape[0]), :]
                on_host = isinstance(checked, np.ndarray)
                if not (np.isfinite(checked).all() if on_host else taker.backend.all_finite(checked)):
                    raise NetworkError(f"{name} holds a value that is not finite, in rows {start} and on; remove it")
        self._X, self._y = X, y

    def __len__(self) -> int:
        return int(self._X.shape[0])

    def take(self, rows: slice | np.ndarray) -> tuple[Any, Any]:
        if isinstance(rows, slice):
            return self._taker.as_batch(self._X[rows, :], self._y[rows, :])
        if isinstance(self._X, np.ndarray):
            return self._taker.as_batch(self._X[rows], self._y[rows])
        backend = self._taker.backend
        return backend.take_rows(self._X, rows), backend.take_rows(self._y, rows)

    @property
    def on_host(self) -> bool:
        """Whether both arrays are the host's."""
        return isinstance(self._X, np.ndarray) and isinstance(self._y, np.ndarray)

    def fill(self, rows: slice | np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
        X[...] = self._X[rows]
        y[...] = self._y[rows]


class ImageBatches:
    """Mini-batches of uint8 images (n, n_0), scaled to 0..1, and whole-number labels (n,), made one-hot."""

    def __init__(self, taker: Taker, images: np.ndarray, labels: np.ndarray) -> None:
        check_images(taker.sizes, images, labels)
        self._taker, self._images, self._labels = taker, images, labels
        # Labels are checked here, once; a mini-batch's rows are then taken from those of each label.
        self._one_hot = one_hot(np.arange(int(labels.max()) + 1), classes=taker.sizes[-1], dtype=taker.dtype)

    def __len__(self) -> int:
        return len(self._images)

    def take(self, rows: slice | np.ndarray) -> tuple[Any, Any]:
        X = as_inputs(self._rows(rows), self._taker.dtype)
        return self._taker.as_batch(X, self._one_hot.take(self._labels[rows], axis=0))

    @property
    def on_host(self) -> bool:
        """Always: images are."""
        return True

    def fill(self, rows: slice | np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
        as_inputs(self._rows(rows), X.dtype, out=X)
        y[...] = self._one_hot.take(self._labels[rows], axis=0)

    def _rows(self, rows: slice | np.ndarray) -> np.ndarray:
        return self._images[rows] if isinstance(rows, slice) else self._images.take(rows, axis=0)


def check_images(sizes: tuple[int, ...], images: np.ndarray, labels: np.ndarray) -> None:
    """Raise `NetworkError` unless a network of `sizes` takes such images, and has an output for each label."""
    if images.shape[1] != sizes[0]:
        raise NetworkError(f"the images have {images.shape[1]} pixels, the network {sizes[0]} inputs; change sizes")
    if labels.dtype.kind not in "iu" or int(labels.min()) < 0:
        raise NetworkError(f"labels must be whole numbers from 0 on; got {labels.dtype}, the smallest {labels.min()}")
    largest = int(labels.max())
    if largest >= sizes[-1]:
        raise NetworkError(
            f"the largest label is {largest}, so the last layer needs at least {largest + 1} units; got {sizes[-1]}"
        )
