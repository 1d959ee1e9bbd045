"""How large the pieces are that one layer's backward step works in. Plain numbers; no arrays here.

The backward step of a layer holds its input `a`, its error `delta`, and works on `c` input units at a time: the block
of c rows of the weight gradient, and `a[:, c]` turned in place into the error of the layer below, r rows of the batch
at a time. Small pieces need few bytes; large ones keep the matrix products fast. Whoever predicts bytes asks here, and
so does the code that allocates, so both speak of the same pieces.

The pieces depend on the layer's shape alone. Two runs that differ in what they recompute therefore multiply the same
matrices in the same pieces, and their results are the same to the last bit.
"""

GRADIENT_ROWS = 64
"""Rows of the weight gradient in one block, where the work of a block is enough to hide its overhead."""

BLOCK_FLOPS = 2**24
"""A block does at least this much work: about a tenth of a millisecond on a processor core."""

DELTA_ROWS = 256
"""Rows of the batch whose error is held apart before it overwrites the activation. A product of fewer is slow."""


def gradient_block_rows(*, rows: int, n_in: int, n_out: int) -> int:
    """c: how many of the `n_in` rows of a weight gradient are made and applied at a time, for `rows` samples.

    >>> gradient_block_rows(rows=1024, n_in=512, n_out=512)
    64
    >>> gradient_block_rows(rows=100, n_in=784, n_out=100)  # a small product stays whole
    784
    """
    enough = -(-BLOCK_FLOPS // (2 * rows * n_out))
    return min(n_in, max(GRADIENT_ROWS, -(-enough // GRADIENT_ROWS) * GRADIENT_ROWS))


def delta_block_rows(*, rows: int) -> int:
    """r: how many rows of the error below are made at a time, for `rows` samples."""
    return min(rows, DELTA_ROWS)
