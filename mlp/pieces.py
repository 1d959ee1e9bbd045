"""How large the pieces are that one layer's backward step works in. Plain numbers; no arrays here.

The backward step of a layer holds its input `a` and its error `delta`, and works on c input units at a time: the piece
of c rows of the weight gradient, and `a[:, c]` turned in place into the error of the layer below, r rows of the batch
at a time. Small pieces need few bytes; large ones keep the matrix products fast. The code that predicts bytes and the
code that allocates them both ask here.

In *large* pieces the weight gradient is whole, and a thousand rows of the error are made at a time: the products
run at full speed. In *small* ones a step holds a fraction of that, and its products take up to a quarter longer.

The pieces depend on the layer's shape alone. Two runs that differ in what they recompute therefore multiply the same
matrices in the same pieces, and their results are the same to the last bit. With NumPy they are the same in large and
in small pieces too; cuBLAS may add up in another order at a matrix's edges.
"""

PIECES = ("large", "small")

GRADIENT_ROWS = 64
"""Rows of the weight gradient in a small piece, where these are enough work to hide the overhead of a piece."""

PIECE_FLOPS = 2**24
"""A small piece is at least this much work: about a tenth of a millisecond on a processor core."""

DELTA_ROWS = 256
"""Rows of the batch whose error is held apart before it overwrites the activation, in small pieces."""

DELTA_VALUES = GRADIENT_ROWS * DELTA_ROWS
"""A small piece of the error has no more values than this, or than the piece of the weight gradient beside it.

Where a layer has few outputs, a small piece of the gradient has many rows, up to all, in few bytes. The error's piece
is as wide as those rows are many: it has fewer rows then, or it would be the larger by far.
"""

LARGE_GRADIENT_ROWS = 2**31
"""Rows of the weight gradient in a large piece: all that a layer can have."""

LARGE_DELTA_ROWS = 1024
"""Rows of the error in large pieces, where no product is slowed by having few."""


FORWARD_ROWS = 1024
"""Rows that a layer runs forward at a time where activations are kept in halves, and computed in arrays apart."""


def forward_piece_rows(rows: int) -> int:
    """How many of `rows` rows a layer runs forward at a time, where they are computed apart from what is kept."""
    return min(rows, FORWARD_ROWS)


def half_values(values: int) -> int:
    """The values of four bytes that have room for `values` of two.

    >>> half_values(6), half_values(7)
    (3, 4)
    """
    return -(-values // 2)


def gradient_piece_rows(
    *, rows: int, n_in: int, n_out: int, pieces: str, planned_rows: int | None = None, whole: bool = False
) -> int:
    """c: how many of the `n_in` rows of a weight gradient are made and applied at a time, for `rows` samples.

    With fewer samples a piece needs more rows to be worth its overhead. A smaller mini-batch than the one planned for,
    such as the last of an epoch, keeps the pieces of `planned_rows` samples, or it would need more bytes than planned.
    `whole`: the optimizer needs all rows at once.

    >>> gradient_piece_rows(rows=1024, n_in=512, n_out=512, pieces="small")
    64
    >>> gradient_piece_rows(rows=100, n_in=784, n_out=100, pieces="small")  # a small product stays whole
    784
    """
    if whole:
        return n_in
    if pieces == "large":
        return min(n_in, LARGE_GRADIENT_ROWS)
    enough = -(-PIECE_FLOPS // (2 * (planned_rows or rows) * n_out))
    return min(n_in, max(GRADIENT_ROWS, -(-enough // GRADIENT_ROWS) * GRADIENT_ROWS))


def error_piece_rows(
    *, rows: int, n_in: int, n_out: int, pieces: str, planned_rows: int | None = None, whole: bool = False
) -> int:
    """r: how many rows of the error below are made at a time, for `rows` samples; the rest as above.

    >>> error_piece_rows(rows=1024, n_in=512, n_out=512, pieces="small")
    256
    >>> error_piece_rows(rows=1024, n_in=512, n_out=10, pieces="small")  # each is 512 wide
    32
    """
    if pieces == "large":
        return min(rows, LARGE_DELTA_ROWS)
    width = gradient_piece_rows(
        rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows, whole=whole
    )
    return min(rows, DELTA_ROWS, max(1, DELTA_VALUES // width, n_out))
