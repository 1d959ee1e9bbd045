"""One pass over a data set, a bounded block of rows at a time: its digest, its statistics, and what must not be in it.

It may be larger than memory: no more than some blocks of it are held.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DataError
from mlp.data.values.mapped_pages import MappedPages
from mlp.data.values.statistics import ColumnStatistics

BLOCK_BYTES = 2**21
"""Bytes of a block in float64; a few of that size are held."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a pass finds: the digest, the statistics of the training rows, the least and the largest input of all."""

    digest: str
    statistics: ColumnStatistics
    least: float
    most: float


def row_blocks(array: Any) -> Iterator[slice]:
    """All rows of `array` (n, ...), in order, in blocks of at most `BLOCK_BYTES` in float64, or of a row."""
    width = 1
    for size in array.shape[1:]:
        width *= int(size)
    rows = max(1, BLOCK_BYTES // (8 * max(1, width)))
    return (slice(start, min(start + rows, len(array))) for start in range(0, len(array), rows))


def digest_of(arrays: Sequence[Any]) -> str:
    """SHA-256 of the shapes and values of `arrays`, in hex."""
    sha256 = hashlib.sha256()
    for array in arrays:
        _begin(sha256, array)
        for rows in row_blocks(array):
            sha256.update(np.ascontiguousarray(array[rows]).data)
    return sha256.hexdigest()


def survey(
    parts: Sequence[tuple[Any, Any]],
    *,
    training: NDArray[np.intp] | None,
    where: Sequence[str],
    targets_where: Sequence[str],
    names: Sequence[str],
) -> Survey:
    """Go through the inputs and the targets of each part, once, in the order of `digest_of`.

    `parts`: pairs of inputs (n, features) and targets. `training`: the rows of the first part that are trained on, in
    increasing order; None for all. `where`, `targets_where`: what each part's inputs and targets are called;
    `names`: of the inputs, which may be empty. Raises `DataError` for a value that is not finite, and says where it is.
    """
    sha256 = hashlib.sha256()
    statistics = ColumnStatistics(parts[0][0].shape[1])
    least, most = np.inf, -np.inf
    for number, (inputs, targets) in enumerate(parts):
        _begin(sha256, inputs)
        pages = MappedPages(inputs)
        for rows in row_blocks(inputs):
            block = np.ascontiguousarray(inputs[rows])
            sha256.update(block.data)
            _check_finite(block, first=rows.start, where=where[number], names=names)
            least, most = min(least, float(block.min())), max(most, float(block.max()))
            if number == 0:
                statistics.add(block if training is None else block[_within(training, rows)])
            pages.read(block.nbytes)
        _begin(sha256, targets)
        for rows in row_blocks(targets):
            block = np.ascontiguousarray(targets[rows])
            sha256.update(block.data)
            _check_finite(block.reshape(len(block), -1), first=rows.start, where=targets_where[number], names=())
    return Survey(sha256.hexdigest(), statistics, least, most)


def check_finite(array: Any, *, where: str, names: Sequence[str] = ()) -> None:
    """Raise `DataError`, which says where, for a value of `array` (n, columns) that is not finite."""
    for rows in row_blocks(array):
        _check_finite(np.asarray(array[rows]), first=rows.start, where=where, names=names)


def _begin(sha256: Any, array: Any) -> None:
    sha256.update(f"{array.dtype.name} {tuple(array.shape)} ".encode())


def _within(training: NDArray[np.intp], rows: slice) -> NDArray[np.intp]:
    """The training rows in a block, counted from its start."""
    first, last = np.searchsorted(training, (rows.start, rows.stop))
    return np.asarray(training[first:last] - rows.start)


def _check_finite(block: NDArray[Any], *, first: int, where: str, names: Sequence[str]) -> None:
    if block.dtype.kind != "f" or np.isfinite(block).all():
        return
    row, column = (int(place[0]) for place in np.nonzero(~np.isfinite(block)))
    found = "NaN" if np.isnan(block[row, column]) else "infinite"
    if block.shape[1] == 1 and not names:
        raise DataError(f"{where}: row {first + row} (from 0) is {found}; fill it in, or leave the row out")
    name = repr(names[column]) if names else str(column)
    raise DataError(
        f"{where}: row {first + row} (from 0), column {name} is {found}; fill it in, or leave the row or the column out"
    )
