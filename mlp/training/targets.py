"""Which targets a cost is for: those that make it a cost, with its least value where the outputs equal them."""

import numpy as np

from mlp.errors import NetworkError

TOLERANCE = 1e-3
"""How far the sum of a row of shares may be from 1: rounding, and no more."""


def check_targets(y: np.ndarray, cost: str, *, first: int = 0) -> None:
    """Raise `NetworkError` unless the rows of y (n, n_L) are targets of `cost`. The first of them is row `first`.

    The quadratic cost takes any. Binary cross-entropy wants values from 0 to 1, or it would have no least value;
    cross-entropy wants shares, whose sum is 1, or its error would not be a - y.
    """
    if cost == "quadratic":
        return
    fits = ((y >= 0) & (y <= 1)).all(axis=1)
    wanted = "values from 0 to 1"
    if cost == "cross-entropy":
        fits &= np.abs(y.sum(axis=1) - 1) <= TOLERANCE
        wanted = "rows of shares from 0 to 1 whose sum is 1, such as a 1 among zeros"
    if not fits.all():
        row = int(np.argmin(fits))
        raise NetworkError(
            f"cost {cost!r} wants {wanted}; row {first + row} of y is {shown(y[row])}; change y, or choose cost "
            f"'quadratic'"
        )


def shown(row: np.ndarray) -> str:
    """The first values of a row, for messages."""
    return np.array2string(row[:6], precision=3, separator=", ", threshold=6)
