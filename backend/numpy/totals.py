"""The sum of costs for the compiled kernels: programs add to it too, a chunk of rows after the other."""

import numpy as np

from backend.numpy.kernels import door
from backend.numpy.kernels.engine import Engine
from backend.totals import CostTotal


class NumpyCostTotal(CostTotal):
    """The sum in an array of one double, `array`, to which the sums of 128 rows are added in order.

    So row blocks of multiples of 128 rows give the bits of the whole mini-batch.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.array = np.zeros(1)
        self.nbytes = self.array.nbytes

    def add(self, a: np.ndarray, y: np.ndarray, cost: str, weights: np.ndarray | None = None) -> None:
        rows, n_out = a.shape
        targets, leading = door.matrix("y", y, a.dtype, (rows, n_out), gaps=True)
        self._engine.run_one(
            a.dtype,
            "cost",
            cost=self._engine.costs[cost],
            rows=rows,
            n_out=n_out,
            out=door.matrix("a", a, a.dtype, (rows, n_out))[0],
            y=targets,
            y_leading=leading,
            row_weights=0 if weights is None else door.vector("weights", weights, a.dtype, rows),
            total=door.vector("total", self.array, self.array.dtype, 1, written=True),
        )
        self.weight += rows

    @property
    def value(self) -> float:
        return float(self.array[0])

    def clear(self) -> None:
        self.array[0] = 0
        self.weight = 0.0
