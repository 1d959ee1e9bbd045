"""Where the rows of mini-batches come from: arrays in memory, on a device or in a file, and labels.

Data sets are as people have them: float64 for a float32 network, columns first, integer labels, a DataFrame, a list, a
data set of an HDF5 file. Each mini-batch is converted as it is taken; the data itself is neither copied nor changed.
"""

from typing import Any, Protocol

import numpy as np

from backend import Backend
from mlp.arrays import as_array, is_row_major, kind_of
from mlp.errors import NetworkError

Rows = slice | np.ndarray


class Source(Protocol):
    """Rows of a fixed width."""

    on_host: bool

    def __len__(self) -> int: ...

    def take(self, rows: Rows) -> Any:
        """These rows, (k, width), in the network's dtype; on the host, or on the device where the source is."""
        ...


class HostRows:
    """A matrix in the host's memory, of any real dtype and strides."""

    on_host = True

    def __init__(self, x: np.ndarray, dtype: str) -> None:
        self._x, self._dtype = x, np.dtype(dtype)

    def __len__(self) -> int:
        return len(self._x)

    def take(self, rows: Rows) -> np.ndarray:
        part = self._x[rows, :]
        if part.dtype == self._dtype and is_row_major(part):
            return part
        with np.errstate(over="ignore"):  # values too large for the dtype become infinite, which is checked
            return part.astype(self._dtype, order="C")


class DeviceRows:
    """A matrix on the backend's device, in the network's dtype."""

    on_host = False

    def __init__(self, x: Any, backend: Backend) -> None:
        self._x, self._backend = x, backend

    def __len__(self) -> int:
        return int(self._x.shape[0])

    def take(self, rows: Rows) -> Any:
        return self._x[rows, :] if isinstance(rows, slice) else self._backend.take_rows(self._x, rows)


class StoredRows:
    """A matrix in a file, such as a data set of HDF5, of which only the rows taken are read."""

    on_host = True

    def __init__(self, x: Any, dtype: str) -> None:
        self._x, self._dtype = x, dtype

    def __len__(self) -> int:
        return int(self._x.shape[0])

    def take(self, rows: Rows) -> np.ndarray:
        with np.errstate(over="ignore"):
            if isinstance(rows, slice):
                return np.asarray(self._x[rows]).astype(self._dtype, order="C")
            sorted_rows, places = np.unique(rows, return_inverse=True)  # HDF5 needs increasing row numbers
            return np.asarray(self._x[sorted_rows]).astype(self._dtype, order="C")[places]


class LabelRows:
    """Whole-number labels (n,), as one-hot rows of `classes`. Raises `NetworkError` for a label out of range."""

    on_host = True

    def __init__(self, labels: np.ndarray, classes: int, dtype: str) -> None:
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            row = int(wrong.argmax())
            raise NetworkError(
                f"y holds the label {labels[row]} in row {row}; the last layer has {classes} units, for labels 0 to "
                f"{classes - 1}{'; number them from 0' if labels.max() == classes and labels.min() == 1 else ''}"
            )
        self._labels, self._classes, self._dtype = labels, classes, dtype

    def __len__(self) -> int:
        return len(self._labels)

    def take(self, rows: Rows) -> np.ndarray:
        labels = self._labels[rows]
        one_hot = np.zeros((len(labels), self._classes), self._dtype)
        one_hot[np.arange(len(labels)), labels] = 1
        return one_hot


def inputs_of(X: Any, width: int, dtype: str, backend: Backend) -> Source:
    """The rows of `X` (n, width). Raises `NetworkError` for anything else, and for integers, which want scaling."""
    x = _array("X", X, backend)
    _check_shape("X", x, width, given=X)
    if _kind(x) in "iub":
        raise NetworkError(
            f"X must be {dtype}, or floats that are converted to it; got {x.dtype}, whose values are not scaled: use "
            f"X.astype({dtype!r}), divided by 255 for pixels of 0 to 255"
        )
    return _rows("X", x, dtype, backend)


def targets_of(y: Any, width: int, dtype: str, backend: Backend) -> Source:
    """The rows of `y` (n, width): any numbers, or labels (n,) or (n, 1) of classes, made one-hot.

    One output unit takes (n,) as a column. Raises `NetworkError` for anything else.
    """
    x = _array("y", y, backend)
    shape = tuple(getattr(x, "shape", ()))
    column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if column and shape[0] and (width == 1 or _kind(x) in "iub"):
        host = x if isinstance(x, np.ndarray) else backend.to_numpy(x) if backend.owns(x) else np.asarray(x[:])
        if width == 1:
            return _rows("y", host.reshape(-1, 1), dtype, backend)
        return LabelRows(host.reshape(-1).astype(np.int64), width, dtype)
    if column and shape[0] and width > 1:
        raise NetworkError(
            f"y must be labels of the {width} classes, whole numbers 0 to {width - 1} (n,), or rows (n, {width}), such "
            f"as one-hot ones; got {_found_labels(x, backend)}"
        )
    _check_shape("y", x, width, given=y)
    return _rows("y", x, dtype, backend)


def _found_labels(x: Any, backend: Backend) -> str:
    """What arrived in the place of labels, and what makes labels of it."""
    first = np.asarray(backend.to_numpy(x[:1]) if backend.owns(x) else x[:1]).reshape(-1)[0]
    if _kind(x) in "SUTO":
        return f"text such as {str(first)!r:.40}; number the classes, as numpy.unique(y, return_inverse=True)[1] does"
    if _kind(x) == "f":
        return f"{x.dtype} such as {first:g}; use y.astype(int) where they are labels"
    return f"{x.dtype} of shape {tuple(x.shape)}"


def _array(name: str, x: Any, backend: Backend) -> Any:
    """`x` itself or as an array; a data set in a file stays there."""
    in_file = all(hasattr(x, attribute) for attribute in ("chunks", "shape", "dtype", "__getitem__"))
    return x if in_file else as_array(name, x, backend)


def _kind(x: Any) -> str:
    """ "f", "i", "u", "b" or another letter of NumPy's for what `x` holds."""
    name = str(x.dtype).rsplit(".", 1)[-1]  # some libraries write "torch.float32"
    try:
        return np.dtype(name).kind
    except TypeError:
        return "?"


def _check_shape(name: str, x: Any, width: int, *, given: Any) -> None:
    shape = tuple(x.shape)
    if len(shape) != 2 or shape[1] != width or shape[0] == 0:
        found = shape or kind_of(given)
        remedy = f"; one sample is {name}.reshape(1, -1)" if shape == (width,) else ""
        remedy = f"; give {name}.T" if len(shape) == 2 and shape[0] == width else remedy
        raise NetworkError(f"{name} must be an array (n, {width}), a sample a row; got {found}{remedy}")


def _rows(name: str, x: Any, dtype: str, backend: Backend) -> Source:
    if _kind(x) not in "fiub":
        remedy = f"; use {name}.astype({dtype!r})" if _kind(x) == "O" else ""
        raise NetworkError(f"{name} must be {dtype}, or numbers that are converted to it; got {x.dtype}{remedy}")
    if isinstance(x, np.ndarray):
        return HostRows(x, dtype)
    if not backend.owns(x):
        return StoredRows(x, dtype)
    if backend.dtype_name(x) != dtype:
        raise NetworkError(f"{name} must be {dtype} where it is on the device; got {backend.dtype_name(x)}; convert it")
    return DeviceRows(x, backend)
