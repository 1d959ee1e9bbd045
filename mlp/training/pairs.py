"""Mini-batches of whatever training and evaluation accept as data, the classic list of pairs included."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.arrays import is_masked, kind_of
from mlp.errors import NetworkError, one_line
from mlp.training.batches import ArrayBatches, Batches, Taker

_WANTED = "a pair (X, y) of arrays, or the classic list of pairs (x, y), one a sample"


def batches_of(taker: Taker, data: Any, *, name: str = "data") -> Batches:
    """Mini-batches of `data`: a pair (X, y), a list of pairs (x, y) as the classic class has it, or `Batches`.

    Raises `NetworkError`, which calls it `name`, for anything else.
    """
    if hasattr(data, "take") and hasattr(data, "__len__") and not hasattr(data, "shape"):
        return data  # type: ignore[no-any-return]  # Batches
    of = "" if name == "data" else name
    if isinstance(data, Iterator):  # the classic loader zips its arrays
        data = list(data)
    if isinstance(data, list) and data and all(isinstance(pair, tuple) and len(pair) == 2 for pair in data):
        return ArrayBatches(taker, *stacked(data), of=of)
    if not isinstance(data, tuple | list) or len(data) != 2:
        found = f"{kind_of(data)} of {len(data)}" if isinstance(data, tuple | list) else kind_of(data)
        raise NetworkError(f"{name} must be {_WANTED}; got {found}")
    return ArrayBatches(taker, *data, of=of)


def stacked(pairs: list[tuple[Any, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """X (n, n_0) and y of the classic list of pairs (x, y): x a column (n_0, 1), y a column (n_L, 1) or a label.

    >>> X, y = stacked([(np.zeros((3, 1)), 2), (np.ones((3, 1)), 0)])
    >>> X.shape, y.tolist()
    ((2, 3), [2, 0])
    """
    parts = []
    for name, values in zip("xy", zip(*pairs, strict=True), strict=True):
        rows = [_as_row(f"{name} of pair {k}", value) for k, value in enumerate(values)]
        for k, row in enumerate(rows):
            if row.size != rows[0].size or row.dtype.kind not in "fiub":
                raise NetworkError(
                    f"{name} of pair {k} must be {rows[0].size} numbers, as that of pair 0; got {row.size} {row.dtype}"
                )
        parts.append(np.stack(rows))
    X, y = parts
    return X, y[:, 0] if np.ndim(pairs[0][1]) == 0 else y


def _as_row(name: str, value: Any) -> np.ndarray:
    """`value` as an array of one dimension. Raises `NetworkError`, which calls it `name`, where none can be made."""
    if is_masked(value):
        raise NetworkError(f"{name} is a masked array, and what it hides would be used; give it .filled(...)")
    try:
        return np.asarray(value).reshape(-1)
    except Exception as error:  # other libraries raise many kinds
        reason = one_line(str(error), limit=90)
        raise NetworkError(f"{name} must be numbers; none can be made of {kind_of(value)} ({reason})") from None
