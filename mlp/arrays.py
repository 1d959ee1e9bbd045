"""The door for arrays: library, shape, dtype, strides, alignment and device are checked before a kernel sees one.

Arrays of other libraries come by DLPack, sharing their memory. A step converts nothing, so that it takes the bytes that
were predicted: an array that would have to be converted is refused, with what to write instead. Data sets are laxer,
since a mini-batch is made of them anyway: see `mlp.training.sources`.
"""

import sys
from math import isfinite
from typing import Any

import numpy as np

from backend import Backend
from mlp.arguments import DTYPES
from mlp.errors import NetworkError, one_line

_DTYPES = {name: np.dtype(name) for name in DTYPES}
_HOST_DEVICES = (1, 3)
"""DLPack's numbers of the host's memory, plain and pinned."""


def as_array(name: str, x: Any, backend: Backend) -> Any:
    """`x` as a plain NumPy array or an array of `backend`, sharing memory where that is possible.

    Raises `NetworkError`, which calls it `name`, for a masked or sparse array, one on another device, and anything that
    cannot become an array.
    """
    if is_masked(x) or (isinstance(x, list | tuple) and any(map(is_masked, x))):
        raise NetworkError(f"{name} is a masked array, and what it hides would be used; give {name}.filled(...)")
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    if backend.owns(x):
        return x
    if callable(is_neg := getattr(x, "is_neg", None)) and is_neg():  # PyTorch exports such a tensor without its sign
        raise NetworkError(f"{name} ({kind_of(x)}) is negated where it is read only; give {name}.resolve_neg()")
    if hasattr(x, "nnz") and hasattr(x, "toarray"):
        raise NetworkError(f"{name} is sparse ({kind_of(x)}), and layers are dense; give {name}.toarray()")
    try:
        if hasattr(x, "__dlpack__"):
            return _by_dlpack(name, x, backend)
        return np.asarray(x)
    except NetworkError:
        raise
    except Exception as error:  # other libraries raise many kinds: TypeError, RuntimeError, BufferError, ...
        reason = one_line(str(error), limit=90)
        raise NetworkError(f"{name} must be an array; none can be made of {kind_of(x)} ({reason})") from None


def is_masked(x: Any) -> bool:
    """Whether `x` hides values, which an array made of it would show."""
    masked = sys.modules.get("numpy.ma")  # where nobody has loaded it, nothing is masked
    return masked is not None and isinstance(x, masked.MaskedArray)


def _by_dlpack(name: str, x: Any, backend: Backend) -> Any:
    if int(x.__dlpack_device__()[0]) in _HOST_DEVICES:
        return np.from_dlpack(x)
    if backend.device_memory() is not None:
        taken = backend.xp.from_dlpack(x)
        if backend.owns(taken):
            return taken
    raise NetworkError(f"{name} ({kind_of(x)}) is on another device than the network's {backend.name}; move it first")


def kind_of(x: Any) -> str:
    """The library and type of `x`, for messages."""
    kind = type(x)
    library = kind.__module__.split(".")[0]
    return kind.__name__ if library == "builtins" else f"{library}.{kind.__name__}"


def as_rows(name: str, x: Any, *, width: int, dtype: str, backend: Backend) -> Any:
    """`x` as a step's matrix, (rows, `width`), on the backend's device, neither converted nor copied on the host.

    Raises `NetworkError`, which calls it `name`, for anything else.
    """
    if type(x) is np.ndarray and _is_plain(x, width, dtype) and backend.owns(x):
        return x  # at once, as this is asked for each array of each step
    x = as_array(name, x, backend)
    on_host = isinstance(x, np.ndarray)
    if x.ndim != 2 or x.shape[1] != width:
        rows = "a row of targets for each sample, such as a one-hot one" if name == "y" else "a sample a row"
        labels = name == "y" and width > 1 and (x.ndim == 1 or tuple(x.shape[1:]) == (1,))
        remedy = f"; of labels make rows by numpy.eye({width}, dtype={dtype!r})[labels]" if labels else ""
        raise NetworkError(f"{name} must be (batch, {width}), {rows}; got shape {tuple(x.shape)}{remedy}")
    if x.shape[0] == 0:
        raise NetworkError(f"{name} must have at least one row; got shape {tuple(x.shape)}")
    arrived = _dtype_name(x, dtype) if on_host else backend.dtype_name(x)
    if arrived != dtype:
        raise NetworkError(
            f"{name} must be {dtype}, the network's dtype in this machine's byte order, so that "
            f"nothing is converted in a step; got {arrived}; use {name}.astype({dtype!r})"
        )
    if not (is_row_major(x) if on_host else backend.is_row_major(x)):
        if on_host and not x.flags.aligned:
            got, remedy = f"values that do not begin at multiples of {x.dtype.alignment} bytes", f"{name}.copy()"
        else:
            got, remedy = f"strides {x.strides} for shape {tuple(x.shape)}", f"numpy.ascontiguousarray({name})"
        raise NetworkError(
            f"{name} must be row-major and aligned, so that nothing is copied in a step; got {got}; use {remedy}"
        )
    if not on_host:
        return x
    if x.shape[0] == 1 and x.strides[0] != x.nbytes:  # whose stride means nothing, and must not be followed
        x = x.reshape(-1).reshape(1, width)
    return x if backend.owns(x) else backend.asarray(x)


def _is_plain(x: np.ndarray, width: int, dtype: str) -> bool:
    """Whether an array is two rows or more of `width` values of `dtype`, without gaps and aligned."""
    shape, flags = x.shape, x.flags
    fits = len(shape) == 2 and shape[1] == width and shape[0] > 1 and x.dtype is _DTYPES[dtype]
    return fits and flags.c_contiguous and flags.aligned


def is_row_major(x: np.ndarray) -> bool:
    """Whether each row of the matrix `x` is without gaps and aligned, and rows are whole values apart, none in another.

    The stride of a single row, or of a single column, does not matter.
    """
    item = x.itemsize
    columns_fit = x.shape[1] == 1 or x.strides[1] == item
    rows_fit = x.shape[0] == 1 or (x.strides[0] >= x.shape[1] * item and x.strides[0] % item == 0)
    return x.flags.aligned and columns_fit and rows_fit


def is_finite(x: Any, backend: Backend, *, room: np.ndarray | None = None) -> bool:
    """Whether no value of the matrix `x` is NaN or infinite.

    `room`: a zero-dimensional array of x's dtype; with it, nothing is allocated on the host.
    """
    if isinstance(x, np.ndarray):  # a NaN is both the largest and the smallest
        return isfinite(x.max(out=room)) and isfinite(x.min(out=room))
    return backend.all_finite(x)


def check_finite(x: Any, backend: Backend, *, name: str, first: int = 0, of: str = "") -> None:
    """Raise `NetworkError` for a value of the matrix `x` that is NaN or infinite, and say where it is.

    `name` is what errors call `x`, whose rows are those from `first` on of the argument `of`, where it has a name.
    """
    if is_finite(x, backend):
        return
    values = np.asarray(backend.to_numpy(x) if backend.owns(x) else x)
    row, column = (int(place) for place in np.argwhere(~np.isfinite(values))[0])
    found = "NaN" if np.isnan(values[row, column]) else f"infinite as {values.dtype.name}"
    raise NetworkError(
        f"{name} holds a value that is not finite: row {first + row}, column {column} (from 0){of and f' of {of}'} is "
        f"{found}; fill it in, or leave the row out"
    )


def _dtype_name(x: np.ndarray, wanted: str) -> str:
    if x.dtype == wanted:
        return wanted  # at once: making a name takes longer than all other checks
    return x.dtype.name if x.dtype.isnative else x.dtype.str
