"""The sum of costs on a GPU: added up there by two launches a step, and read at the end of an epoch."""

from typing import Any

from backend.cupy.kernels import reports
from backend.totals import CostTotal

TOTAL_VALUES = 1 + reports.MOST_PARTS
"""The sum, and room for the parts of one addition."""


class CupyCostTotal(CostTotal):
    """The sum in `array`, `TOTAL_VALUES` doubles on `device`, all zero."""

    def __init__(self, array: Any, device: Any) -> None:
        super().__init__()
        self._array, self._device = array, device
        self.nbytes = int(array.nbytes)

    def add(self, a: Any, y: Any, cost: str, weights: Any = None) -> None:
        with self._device:
            reports.add_cost(a, y, cost, weights, self._array)
        self.weight += a.shape[0]

    @property
    def value(self) -> float:
        with self._device:
            return float(self._array[:1].get()[0])

    def clear(self) -> None:
        with self._device:
            self._array.data.memset_async(0, self._array.nbytes)
        self.weight = 0.0
