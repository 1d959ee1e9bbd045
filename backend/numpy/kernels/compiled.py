"""Numba with the types listed: compiled when a file is first imported, kept on disk, and never during a step."""

from collections.abc import Callable
from typing import Any

from numba import njit, types

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def for_both_dtypes(*arguments: str, returns: types.Type = types.void) -> _Decorator:
    """Compile for float32 and for float64 arrays, the arguments listed by the names below."""
    signatures = []
    for item in (types.float32, types.float64):
        kinds = {
            "item": item,
            "matrix": types.Array(item, 2, "C"),
            "any matrix": types.Array(item, 2, "A", readonly=True),
            "vector": types.Array(item, 1, "C"),
            "any vector": types.Array(item, 1, "A", readonly=True),
            "integer": types.int64,
            "number": types.float64,
        }
        signatures.append(returns(*(kinds[argument] for argument in arguments)))
    decorate: _Decorator = njit(signatures, cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
    return decorate
