"""How a mini-batch is cut into blocks of rows for ranks. Plain numbers; no arrays here.

Block k belongs to rank k mod P, P being the number of ranks. Gradients are added up over chunks of `CHUNK_ROWS` rows,
in order, whoever adds them; so cuts at multiples of that leave every bit as it is in one process.
"""

from itertools import accumulate, pairwise

from backend.facts import CHUNK_ROWS
from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.schedule.actions import Rows

MOST_GROUPS = 1024


def shares(rows: int, ranks: int) -> tuple[Rows, ...]:
    """One share a rank of a mini-batch of `rows` rows, whole chunks each, as equal as that allows; none is empty.

    The first are the largest. Ranks for which no chunk is left have no share.

    >>> shares(1000, 3), shares(130, 4)
    (((0, 384), (384, 768), (768, 1000)), ((0, 128), (128, 130)))
    """
    chunks = -(-rows // CHUNK_ROWS)
    return tuple((CHUNK_ROWS * start, min(rows, CHUNK_ROWS * stop)) for start, stop in _dealt(chunks, ranks))


def _dealt(count: int, takers: int) -> list[tuple[int, int]]:
    """`count` things in their order, dealt to at most so many takers as equally as can be; the first have the most."""
    takers = min(count, takers)
    each, more = divmod(count, takers)
    return list(pairwise(accumulate((each + (taker < more) for taker in range(takers)), initial=0)))


def turns(rows: int, block_rows: int) -> tuple[Rows, ...]:
    """Blocks of `block_rows` rows, which ranks take in turns; the last one may be smaller.

    >>> turns(300, 128)
    ((0, 128), (128, 256), (256, 300))
    """
    return tuple((start, min(start + block_rows, rows)) for start in range(0, rows, block_rows))


def groups_of(rows: int, sum_groups: int | None) -> tuple[Rows, ...]:
    """The groups of rows whose sums are made by themselves, whole chunks each; none where sums are of all rows."""
    return () if sum_groups is None else shares(rows, sum_groups)


def shares_of_groups(groups: tuple[Rows, ...], ranks: int) -> tuple[Rows, ...]:
    """One share a rank of rows in `groups`: of one group's alone, or whole groups.

    >>> shares_of_groups(((0, 256), (256, 500)), 3)
    ((0, 128), (128, 256), (256, 500))
    """
    if ranks <= len(groups):
        return tuple((groups[first][0], groups[last - 1][1]) for first, last in _dealt(len(groups), ranks))
    found: list[Rows] = []
    for (start, stop), (first, last) in zip(groups, _dealt(ranks, len(groups)), strict=True):
        found += [(start + a, start + b) for a, b in shares(stop - start, last - first)]
    return tuple(found)


def blocks_of(
    rows: int, ranks: int, block_rows: int | None = None, *, sum_groups: int | None = None
) -> tuple[Rows, ...]:
    """The blocks of a mini-batch: shares, of groups too, or with `block_rows` turns."""
    if sum_groups is not None:
        return shares_of_groups(groups_of(rows, sum_groups), ranks)
    return shares(rows, ranks) if block_rows is None else turns(rows, block_rows)


def own_blocks(blocks: tuple[Rows, ...], rank: int, ranks: int) -> tuple[Rows, ...]:
    """Those of `blocks` that are this rank's."""
    return blocks[rank::ranks]


def check_block_rows(block_rows: object) -> int:
    """`block_rows` as an int; raises `CheckpointError` unless it is a multiple of a chunk's rows."""
    number = whole_number("a row block's number of rows", block_rows)
    if number % CHUNK_ROWS:
        raise CheckpointError(
            f"ranks take row blocks of a multiple of {CHUNK_ROWS} rows in turns, which keeps every bit; got {number}"
        )
    return number


def check_cut(block_rows: int | None, sum_groups: int | None) -> int | None:
    """`sum_groups`; raises `CheckpointError` where there cannot be so many, or none beside row blocks in turns."""
    if sum_groups is None:
        return None
    if block_rows is not None:
        raise CheckpointError(
            "sums of groups are for one share a rank; leave out the groups, or the row blocks that ranks take in turns"
        )
    return whole_number("the number of groups of a sum", sum_groups, least=2, most=MOST_GROUPS)


def largest_block(rows: int, ranks: int, block_rows: int | None = None, *, sum_groups: int | None = None) -> int:
    """The rows of the largest block of a mini-batch."""
    return max(stop - start for start, stop in blocks_of(rows, ranks, block_rows, sum_groups=sum_groups))
