"""Mean, deviation, least and most of each column, from blocks of rows that are seen once.

Blocks are combined as Chan, Golub and LeVeque (1983) do, which loses no digits to a large mean.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ColumnStatistics:
    """The statistics of the rows added so far, (columns,) each, float64."""

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.mean = np.zeros(columns)
        self._squares = np.zeros(columns)
        self.least = np.full(columns, np.inf)
        self.most = np.full(columns, -np.inf)

    def add(self, block: NDArray[Any]) -> None:
        """Add the rows of `block` (k, columns), finite numbers."""
        if not len(block):
            return
        with np.errstate(over="ignore", invalid="ignore"):  # a spread that is too large for float64 is infinite
            self._add(block.astype(np.float64))

    def _add(self, values: NDArray[np.float64]) -> None:
        np.minimum(self.least, values.min(axis=0), out=self.least)
        np.maximum(self.most, values.max(axis=0), out=self.most)
        mean = values.mean(axis=0)
        values -= mean
        np.square(values, out=values)
        total = self.count + len(values)
        step = mean - self.mean
        self._squares += values.sum(axis=0) + step * step * (self.count * len(values) / total)
        self.mean += step * (len(values) / total)
        self.count = total

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which columns have one value in all rows."""
        return np.asarray(self.least == self.most)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """The standard deviation of each column, the square root of the mean square."""
        return np.asarray(np.sqrt(self._squares / max(1, self.count)))
