"""What the rows of an epoch's steps cost, summed on ranks in one process's order: chunk after chunk of 128 rows."""

import json
from collections.abc import Iterable
from typing import Any

from backend.totals import CostTotal


class CostParts(CostTotal):
    """The costs of this rank's rows, each chunk's sum by itself; `chunk_rows` None: each block's.

    `total` is what the backend sums a chunk with. A sum is a Python float, of which there is one for each chunk.
    """

    def __init__(self, total: CostTotal, chunk_rows: int | None) -> None:
        super().__init__()
        self._total, self._chunk_rows, self.nbytes = total, chunk_rows, total.nbytes
        self._place = 0, 0
        self._parts: list[tuple[int, int, float]] = []  # step, first row of the mini-batch, sum

    def begin(self, step: int, row: int) -> None:
        """What is added next are the rows from `row` on of the mini-batch of a step."""
        self._place = step, row

    def add(self, a: Any, y: Any, cost: str, weights: Any = None) -> None:
        step, row = self._place
        rows = int(a.shape[0])
        for start in range(0, rows, self._chunk_rows or rows):
            some = slice(start, min(start + (self._chunk_rows or rows), rows))
            self._total.clear()
            self._total.add(a[some, :], y[some, :], cost, None if weights is None else weights[some])
            self._parts.append((step, row + start, self._total.value))
        self.weight += rows

    @property
    def value(self) -> float:
        return sum(part for _, _, part in self._parts)

    def clear(self) -> None:
        self._parts.clear()
        self.weight = 0.0

    def to_text(self) -> str:
        """All parts, for the other ranks."""
        return json.dumps([self.weight, self._parts])


def mean_of(told: Iterable[str]) -> float | None:
    """The mean cost of a sample, from the parts that each rank tells; None without samples."""
    weights, parts = zip(*map(json.loads, told), strict=True)
    total = 0.0
    for _, _, part in sorted(part for of_rank in parts for part in of_rank):
        total += part
    return total / sum(weights) if any(weights) else None
