"""The door for arrays: whatever reaches a kernel has its library, shape, dtype, strides, alignment and device known.

A step converts nothing, so that it takes the bytes that were predicted. An array that would have to be converted is
refused, with what to write instead.
"""

from typing import Any

from backend import Backend
from mlp.errors import NetworkError


def as_rows(name: str, x: Any, *, width: int, dtype: str, backend: Backend) -> Any:
    """`x` on the backend's device. Raises `NetworkError`, which calls it `name`, unless it is (rows, `width`)."""
    if not backend.owns(x):
        try:
            x = backend.asarray(x)
        except (TypeError, ValueError):
            raise NetworkError(f"{name} must be an array (batch, {width}), a sample a row; got {type(x)}") from None
    if x.ndim != 2 or x.shape[1] != width:
        raise NetworkError(f"{name} must be (batch, {width}), a sample a row; got shape {tuple(x.shape)}")
    if x.shape[0] == 0:
        raise NetworkError(f"{name} must have at least one row; got shape {tuple(x.shape)}")
    arrived = backend.dtype_name(x)
    if arrived != dtype:
        raise NetworkError(
            f"{name} must be {dtype}, the network's dtype in this machine's byte order, so that "
            f"nothing is converted in a step; got {arrived}; use {name}.astype({dtype!r})"
        )
    if not backend.is_row_major(x):
        raise NetworkError(
            f"{name} must be row-major, so that nothing is copied in a step; got strides {x.strides}; use "
            f"numpy.ascontiguousarray({name})"
        )
    return x
