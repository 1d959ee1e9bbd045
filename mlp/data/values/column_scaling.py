"""Scaling by columns, fitted on the training rows: to mean 0 and deviation 1, or to 0 to 1.

What was fitted is part of what a network is: it goes with its saved state, and other data is scaled alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DataError
from mlp.data.values.statistics import ColumnStatistics

WIDEST = 1e308
"""Shifts and divisors are below this in magnitude."""

FITTED = ("standard", "minmax")
KINDS = ("none", "255", *FITTED)
"""What `--scale` takes. "none" leaves values as they are; "255" divides them by 255."""


@dataclass(frozen=True, slots=True)
class ColumnScaling:
    """Raw values x of column c become (x - `shift[c]`) / `divisor[c]`. `kind` is one of `FITTED`.

    Raises `DataError` unless both have as many finite numbers, no divisor of them 0 or below.
    """

    kind: str
    shift: tuple[float, ...]
    divisor: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (*self.shift, *self.divisor)
        fits = self.kind in FITTED and 0 < len(self.shift) == len(self.divisor)
        if not fits or not all(type(x) in (int, float) and abs(x) < WIDEST for x in numbers):
            raise DataError(f"scaling by columns: wanted {' or '.join(FITTED)}, with a finite number for each column")
        if min(self.divisor) <= 0:
            raise DataError("scaling by columns: wanted divisors above 0")

    def apply(self, rows: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the scaled `rows` (k, columns) to `out`; computed in float64, rounded once."""
        values = np.subtract(rows, np.asarray(self.shift), dtype=np.float64)
        np.divide(values, np.asarray(self.divisor), out=values)
        out[...] = values


def fitted(kind: str, statistics: ColumnStatistics, *, names: Sequence[str] = ()) -> ColumnScaling:
    """The scaling of `kind` for these columns. A constant column becomes 0, as there is nothing to divide by.

    Raises `DataError` for a column too wide or too large for that, called by its name if there are `names`.

    >>> statistics = ColumnStatistics(2)
    >>> statistics.add(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> fitted("minmax", statistics)
    ColumnScaling(kind='minmax', shift=(1.0, 5.0), divisor=(2.0, 1.0))
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if kind == "standard":
            shift, divisor = statistics.mean.copy(), statistics.deviation
        else:
            shift, divisor = statistics.least.copy(), statistics.most - statistics.least
    constant = statistics.constant
    shift[constant], divisor[constant] = statistics.least[constant], 1.0
    fits = (np.abs(shift) < WIDEST) & (divisor < WIDEST)
    if not fits.all():
        k = int(fits.argmin())
        shown = repr(names[k]) if names else f"{k} (from 0)"
        raise DataError(
            f"column {shown} holds values from {statistics.least[k]:g} to {statistics.most[k]:g}, too large or too far "
            f"apart to scale in float64; leave it out"
        )
    divisor[divisor <= 0] = 1.0  # a spread that float64 cannot tell from none
    return ColumnScaling(kind, tuple(shift.tolist()), tuple(divisor.tolist()))


def said_of_constants(kind: str, statistics: ColumnStatistics, names: Sequence[str]) -> str | None:
    """A line that names the constant columns, which carry nothing; None where there are none."""
    constant = np.flatnonzero(statistics.constant)
    if not len(constant):
        return None
    shown = ", ".join(names[k] for k in constant[:5].tolist()) + (", ..." if len(constant) > 5 else "")
    many = "1 column has" if len(constant) == 1 else f"{len(constant)} columns have"
    return f"{many} one value in all training rows, and --scale {kind} makes it 0: {shown}"
