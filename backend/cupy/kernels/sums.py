"""The CuPy backend's kernels that add up: the sum of rows, and the count of values that are not finite. See `sums.cu`.

Each sum has an order of its own that depends on the shape alone. So results are the same bits from run to run, which
plain and checkpointed training rely on to agree.
"""

from typing import Any

from backend.cupy.kernels.launching import by_value, here, not_to_record, refusing, run
from backend.cupy.kernels.layout import item_of, row_major, side_by_side, vector
from backend.cupy.kernels.source import (
    ITEM_BYTES,
    PACK_BYTES,
    SUMMED_COLUMNS,
    SUMMED_ROWS,
    block_of,
    function,
    power_of_two,
    values_at_once,
)

BUSY_BLOCKS = 264
"""Blocks that keep a large GPU busy: two for each of the 132 multiprocessors of an H100. Not asked of the GPU at hand,
as the order of a sum would then depend on it."""

SHARE_ROWS = 4 * SUMMED_ROWS
"""Rows of a block's share, at least, where several blocks share columns."""

PARTS_BYTES = 2 * BUSY_BLOCKS * SUMMED_COLUMNS * PACK_BYTES
"""Memory that the sums of shares take at most: fewer than twice the busy blocks, each with the columns of one."""

SCRATCH_BYTES = PARTS_BYTES + 4 * BUSY_BLOCKS * PACK_BYTES // ITEM_BYTES["float"]
"""Memory that `sum_rows` needs: for the sums of shares, and for counts of the blocks that have arrived, one for each
block across; these are as many more as a Pack has values where the values are taken one by one."""


LOOKS = 8
"""How often each thread looks, at least, before another block takes part in counting what is not finite."""


def shares_of(rows: int, columns: int, item: str) -> int:
    """How many blocks share a column's rows: more where few columns would leave a GPU idle. By the shape alone.

    >>> shares_of(100, 10, "float"), shares_of(1_000_000, 10, "float"), shares_of(100_000, 4096, "float")
    (1, 132, 3)
    """
    at_once = PACK_BYTES // ITEM_BYTES[item]
    across = -(-columns // (SUMMED_COLUMNS * (1 if columns % at_once else at_once)))
    return max(1, min(-(-BUSY_BLOCKS // across), rows // SHARE_ROWS)) if across <= BUSY_BLOCKS else 1


def sum_rows(d: Any, *, out: Any, scratch: int, onto: bool = False, factor: float = 1.0, keep: float = 1.0) -> None:
    """out := the sum of d's rows; or with `onto`, out := keep * out + factor * that sum.

    In a watched step that refuses the layer d becomes 0, and `out` 0 or with `onto` what it was.

    `scratch` is the address of `SCRATCH_BYTES` of device memory that no other stream uses, all zero before the first
    use.
    """
    item = item_of(d, out)
    rows, columns, leading = row_major(d)
    vector(out, columns)
    if columns == 0:
        return
    values = values_at_once(item, rows, (d.data.ptr, leading), (out.data.ptr, 0))
    if columns % values:
        values = 1
    shares = shares_of(rows, columns, item)
    share = -(-rows // shares)
    grid = (-(-columns // (SUMMED_COLUMNS * values)), shares)
    block = (SUMMED_COLUMNS, min(SUMMED_ROWS, power_of_two(share)))
    numbers = (int(onto), by_value(factor), float(keep))
    if here.watched is not None:
        here.watched.keep = float(keep)
    arguments = (d, leading, out, rows, columns, share, *numbers, scratch, scratch + PARTS_BYTES, *refusing(factor))
    run(function("sums", item, "sum_rows", values), grid, block, arguments)


def count_not_finite(v: Any, count: Any) -> int:
    """How many values of a vector without gaps, or of a row-major matrix, are NaN or infinite; by way of `count`."""
    if v.ndim == 1:
        vector(v, v.size)
    item = item_of(v)
    if v.size == 0:
        return 0
    not_to_record("the host asks whether values are finite")
    rows, columns, (leading,) = side_by_side(v)
    values = values_at_once(item, rows, (v.data.ptr, leading))
    if columns % values:
        values = 1
    along, down = block_of(-(-columns // values))
    across = min(BUSY_BLOCKS, -(-columns // (values * along * LOOKS)))
    grid = (across, min(-(-BUSY_BLOCKS // across), -(-rows // (down * LOOKS))))
    if grid != (1, 1):
        count.data.memset_async(0, count.nbytes)
    function("sums", item, "count_not_finite", values)(grid, (along, down), (v, leading, rows, columns, count))
    return int(count.get()[0])
