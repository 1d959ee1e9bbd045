"""The door that every array passes whose address goes to compiled code: shape, dtype, strides, alignment, writability.

Compiled code asks nothing, so what is let in here is all that stands between a caller's array and foreign memory.
"""

import numpy as np


class NotLetIn(ValueError):
    """An array that a kernel cannot take: which, what it is, and what was wanted."""


def vector(name: str, v: np.ndarray, dtype: np.dtype, size: int, *, written: bool = False) -> int:
    """The address of a vector of `size` values without gaps."""
    _check(name, v, dtype, (size,), written)
    if size > 1 and v.strides[0] != v.itemsize:
        raise NotLetIn(f"{name} must have no gaps between its values; got strides {v.strides}")
    return int(v.ctypes.data)


def matrix(
    name: str, a: np.ndarray, dtype: np.dtype, shape: tuple[int, int], *, written: bool = False, gaps: bool = False
) -> tuple[int, int]:
    """The address of a row-major matrix, and the values from a row to the next; `gaps` may lie between its rows."""
    _check(name, a, dtype, shape, written)
    leading = leading_of(a)
    if leading is None or (leading != shape[1] and not gaps):
        wanted = "row-major, its rows without gaps" if gaps else "row-major without gaps"
        raise NotLetIn(f"{name} must be {wanted}; got strides {a.strides} for shape {a.shape} of {a.dtype}")
    return int(a.ctypes.data), leading


def leading_of(a: np.ndarray) -> int | None:
    """The values from a row of a matrix to the next, where its rows have no gaps inside; None for any other layout."""
    if a.ndim != 2:
        return None
    (rows, columns), (down, across), item = a.shape, a.strides, a.itemsize
    if columns > 1 and across != item:
        return None
    if rows <= 1:
        return int(max(columns, 1))
    if down % item or not max(columns, 1) * item <= down < 2**31 * item:
        return None
    return int(down // item)


def block(name: str, a: np.ndarray, *, written: bool, align: int) -> tuple[int, int]:
    """The address, a multiple of `align`, and the bytes of an array without gaps but between a matrix's rows."""
    if isinstance(a, np.ndarray):
        seen = a.__array_interface__  # all at once, as this is asked for each array of each step
        address, is_read_only = seen["data"]
        leading = 0 if seen["strides"] is None else leading_of(a)
        if leading is not None and not (written and is_read_only) and address % align == 0:
            spanned = ((a.shape[0] - 1) * leading + a.shape[1]) * a.itemsize if leading else a.nbytes
            return address, spanned
    kind = f"a{' writeable' if written else 'n'} array of NumPy, row-major and at a multiple of {align} bytes"
    raise NotLetIn(f"{name} must be {kind}; got {_said(a)}")


def _check(name: str, a: np.ndarray, dtype: np.dtype, shape: tuple[int, ...], written: bool) -> None:
    if not isinstance(a, np.ndarray) or a.shape != shape or a.dtype != dtype:
        raise NotLetIn(f"{name} must be {shape} of {dtype}; got {_said(a)}")
    if not a.flags.aligned:
        raise NotLetIn(f"{name} must be at a multiple of {a.itemsize} bytes in memory; copy it")
    if written and not a.flags.writeable:
        raise NotLetIn(f"{name} is read-only, and would be written to; release or copy it first")


def _said(a: object) -> str:
    return f"{a.shape} of {a.dtype}, strides {a.strides}" if isinstance(a, np.ndarray) else f"{type(a).__name__}"
