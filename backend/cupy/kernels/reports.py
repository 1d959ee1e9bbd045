"""The CuPy backend's kernels for reports: the cost, and the count of rows that are right.

Each block writes one partial result, and the host adds them up: the only kernels that hold a temporary, of
`MOST_PARTS` values at most. In a training step the device adds them up, onto a total that stays there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backend.cupy.kernels.launching import run
from backend.cupy.kernels.layout import item_of, same_shape, vector
from backend.cupy.kernels.source import block_of, function
from backend.errors import BackendError
from backend.formulas import COSTS

MOST_PARTS = 256
"""The most blocks that a cost or a count is summed in: 2 KiB of partial sums."""


def cost_sum(a: Any, y: Any, cost: str, weights: Any, empty: Callable[[tuple[int, ...], str], Any]) -> float:
    """The cost summed over the rows, each times its weight if any, in double; `empty` makes the partial sums' array."""
    if cost not in COSTS:
        raise ValueError(f"unknown cost {cost!r}; choose {' or '.join(COSTS)}")
    parts = empty((_blocks(a),), "float64")
    _launch_parts("cost_parts", a, y, _numbers_of(cost, a, weights), parts)
    return float(parts.get().sum())


def add_cost(a: Any, y: Any, cost: str, weights: Any, total: Any) -> None:
    """total[0] += the cost summed over the rows, as of `cost_sum`; the rest, `MOST_PARTS` doubles, is overwritten.

    The sum's order depends on the shape alone.
    """
    parts = total[1 : 1 + _blocks(a)]
    _launch_parts("cost_parts", a, y, _numbers_of(cost, a, weights), parts)
    run(function("reports", item_of(a), "add_parts"), (1,), (1,), (parts, parts.size, total))


def _numbers_of(cost: str, a: Any, weights: Any) -> tuple[Any, ...]:
    limits = np.finfo(a.dtype)
    if weights is not None:
        item_of(a, weights)
        vector(weights, a.shape[0])
    return COSTS[cost], float(limits.smallest_normal), float(limits.epsneg), 0 if weights is None else weights


def count_correct(a: Any, y: Any, empty: Callable[[tuple[int, ...], str], Any]) -> int:
    """The rows in which a and y have their (first) largest value in the same place."""
    parts = empty((_blocks(a),), "int64")
    _launch_parts("correct_parts", a, y, (), parts)
    return int(parts.get().sum())


def _blocks(a: Any) -> int:
    if a.ndim != 2 or a.size == 0:
        raise BackendError(f"an output is (rows, features), with at least one of each; got shape {a.shape}")
    rows, columns = a.shape
    blocks: int = -(-rows // block_of(columns)[1])
    return min(blocks, MOST_PARTS)


def _launch_parts(name: str, a: Any, y: Any, numbers: tuple[Any, ...], parts: Any) -> None:
    same_shape(a, y)
    rows, columns = a.shape
    strides = [stride // x.itemsize for x in (a, y) for stride in x.strides]
    arguments = (a, *strides[:2], y, *strides[2:], rows, columns, *numbers, parts)
    run(function("reports", item_of(a, y), name), (parts.size,), block_of(columns), arguments)
