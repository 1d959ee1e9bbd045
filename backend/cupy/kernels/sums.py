"""The CuPy backend's kernels that add up: the sum of rows, and the count of values that are not finite.

Each sum has an order of its own that depends on the shape alone. So results are the same bits from run to run, which
plain and checkpointed training rely on to agree.
"""

from typing import Any

from backend.cupy.kernels.layout import item_of, row_major, side_by_side, vector
from backend.cupy.kernels.source import SUMMED_COLUMNS, SUMMED_ROWS, THREADS, function, power_of_two


def sum_rows(d: Any, *, out: Any, onto: bool = False) -> None:
    """out := the sum of d's rows; or with `onto`, out += it."""
    rows, columns, leading = row_major(d)
    vector(out, columns)
    if columns == 0:
        return
    shares = min(SUMMED_ROWS, power_of_two(rows))
    grid = (-(-columns // SUMMED_COLUMNS),)
    arguments = (d, leading, out, rows, columns, int(onto))
    function("sums", item_of(d, out), "sum_rows")(grid, (SUMMED_COLUMNS, shares), arguments)


def count_not_finite(v: Any, count: Any) -> int:
    """How many values of a vector without gaps, or of a row-major matrix, are NaN or infinite; by way of `count`."""
    if v.ndim == 1:
        vector(v, v.size)
    rows, columns, (leading,) = side_by_side(v)
    function("sums", item_of(v), "count_not_finite")((1,), (THREADS,), (v, leading, rows, columns, count))
    return int(count.get()[0])
