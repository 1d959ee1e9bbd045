"""How a device array lies in memory, for the kernels and for BLAS. Shapes and strides only; CuPy is not imported.

A matrix is row-major here if each row has no gaps, whatever lies between two rows: a whole matrix, some of its rows,
some of its columns. One number then says where values are: the leading dimension, from a row to the next in values.
"""

from typing import Any

from backend.errors import BackendError

ITEMS = {"f": "float", "d": "double"}
"""The C type of each dtype that the kernels know, by NumPy's character for it."""


def item_of(*arrays: Any) -> str:
    """The C type of arrays that all have one dtype; raises `BackendError` if they don't, or for another dtype."""
    kinds = {array.dtype.char for array in arrays}
    item = ITEMS.get(min(kinds))
    if len(kinds) > 1 or item is None:
        names = " and ".join(sorted({str(array.dtype) for array in arrays}))
        raise BackendError(f"arrays must all be float32 or all float64, so that nothing is converted; got {names}")
    return item


def leading_dimension(a: Any) -> int | None:
    """From a row of the matrix `a` to the next, in values; None if `a` is not row-major.

    >>> import numpy as np
    >>> a = np.zeros((4, 6))
    >>> leading_dimension(a), leading_dimension(a[:, 2:5]), leading_dimension(a.T), leading_dimension(a[::-1, :])
    (6, 6, None, None)
    """
    (rows, columns), (down, along), item = a.shape, a.strides, a.itemsize
    if columns > 1 and along != item:
        return None
    if rows == 1:  # its stride is never used, and may be anything
        return max(int(columns), 1)
    leading, rest = divmod(int(down), int(item))
    return leading if rest == 0 and leading >= max(columns, 1) else None


def row_major(a: Any) -> tuple[int, int, int]:
    """Rows, columns and leading dimension of the matrix `a`; raises `BackendError` if it is not row-major."""
    leading = leading_dimension(a) if a.ndim == 2 else None
    if leading is None:
        raise BackendError(
            f"the kernels take row-major matrices, so that nothing is copied; got shape {a.shape}, strides {a.strides}"
        )
    rows, columns = a.shape
    return rows, columns, leading


def side_by_side(*arrays: Any) -> tuple[int, int, list[int]]:
    """Rows, columns and the leading dimensions of vectors or row-major matrices of one shape.

    Where none has gaps they are taken as one long row. Raises `BackendError` if shapes differ.

    >>> import numpy as np
    >>> side_by_side(np.zeros((4, 6)), np.zeros((4, 6))), side_by_side(np.zeros((4, 3)), np.zeros((4, 6))[:, :3])
    ((1, 24, [24, 24]), (4, 3, [3, 6]))
    """
    first = arrays[0]
    for array in arrays:
        same_shape(first, array)
    if all(array.flags.c_contiguous for array in arrays):
        return 1, first.size, [first.size] * len(arrays)
    rows, columns, _ = row_major(first)
    return rows, columns, [row_major(array)[2] for array in arrays]


def same_shape(a: Any, b: Any) -> None:
    """Raise `BackendError` unless two arrays have one shape. A kernel would read past the end of the smaller."""
    if a.shape != b.shape:
        raise BackendError(f"arrays must have one shape; got {a.shape} and {b.shape}")


def vector(a: Any, size: int) -> None:
    """Raise `BackendError` unless `a` is a vector of `size` values without gaps."""
    if a.shape != (size,) or not a.flags.c_contiguous:
        raise BackendError(f"a contiguous vector of {size} values was wanted; got shape {a.shape}, strides {a.strides}")
