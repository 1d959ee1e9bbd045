"""The dropout kernel of the CuPy backend."""

from typing import Any

from backend.cupy.kernels.launching import noted, run
from backend.cupy.kernels.layout import item_of, row_major
from backend.cupy.kernels.source import block_of, function
from backend.dropping import WORDS, Drop

MOST_BLOCKS_DOWN = 65535
"""CUDA's limit on the second dimension of a grid."""


def drop_columns(a: Any, drop: Drop, columns: slice, *, undo: bool) -> None:
    """Set the dropped outputs among those columns of `a` to 0, and multiply the rest by `drop.factor`."""
    rows, width, leading = row_major(a)
    first, stop, _ = columns.indices(width)
    if rows == 0 or stop <= first:
        return
    along, down = block_of(stop - first)
    grid = (-(-(stop - first) // along), min(-(-rows // down), MOST_BLOCKS_DOWN))
    place = a.data.ptr + first * a.itemsize, leading, rows, stop - first, drop.row, first
    numbers = drop.layer, drop.step % WORDS, *drop.key, drop.below, float(drop.factor(undo=undo))
    run(function("dropping", item_of(a), "drop"), grid, (along, down), (*place, *numbers, *noted(below=1)))
