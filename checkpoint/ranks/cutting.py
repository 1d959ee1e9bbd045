"""How a mini-batch is cut into blocks of rows for ranks. Plain numbers; no arrays here.

Block k belongs to rank k mod P, P being the number of ranks. Gradients are added up over chunks of `CHUNK_ROWS` rows,
in order, whoever adds them; so cuts at multiples of that leave every bit as it is in one process.
"""

from backend.facts import CHUNK_ROWS
from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.schedule.actions import Rows


def shares(rows: int, ranks: int) -> tuple[Rows, ...]:
    """One share a rank of a mini-batch of `rows` rows, whole chunks each, as equal as that allows; none is empty.

    The first are the largest. Ranks for which no chunk is left have no share.

    >>> shares(1000, 3), shares(130, 4)
    (((0, 384), (384, 768), (768, 1000)), ((0, 128), (128, 130)))
    """
    chunks = -(-rows // CHUNK_ROWS)
    each, more = divmod(chunks, ranks)
    blocks, start = [], 0
    for rank in range(min(ranks, chunks)):
        stop = min(rows, start + CHUNK_ROWS * (each + (rank < more)))
        blocks.append((start, stop))
        start = stop
    return tuple(blocks)


def turns(rows: int, block_rows: int) -> tuple[Rows, ...]:
    """Blocks of `block_rows` rows, which ranks take in turns; the last one may be smaller.

    >>> turns(300, 128)
    ((0, 128), (128, 256), (256, 300))
    """
    return tuple((start, min(start + block_rows, rows)) for start in range(0, rows, block_rows))


def blocks_of(rows: int, ranks: int, block_rows: int | None = None) -> tuple[Rows, ...]:
    """The blocks of a mini-batch: shares, or with `block_rows` turns."""
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


def largest_block(rows: int, ranks: int, block_rows: int | None = None) -> int:
    """The rows of the largest block of a mini-batch."""
    start, stop = blocks_of(rows, ranks, block_rows)[0]
    return stop - start
