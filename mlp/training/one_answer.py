"""What one answer for all samples would cost: a network that costs no less has learnt nothing from its inputs."""

import numpy as np

from mlp.training.batches import CHECKED_ROWS, Batches
from mlp.training.metrics import Evaluated

MOST_VALUES = 2**15
"""Targets that are looked at at a time: a run's memory may be limited."""

LEAST_GAIN = 0.01
"""A cost that is lower by no more than this share of it counts as no lower."""


def one_answer_cost(network: Evaluated, data: Batches, weights: np.ndarray | None = None) -> float:
    """The mean cost of the samples of `data` for the best output that is the same for all of them.

    That output is the mean of the targets, whatever the cost. `weights` (n,): how much each sample counts.
    """
    total = sums = squares = 0.0
    at_once = max(1, min(CHECKED_ROWS, MOST_VALUES // network.sizes[-1]))
    for start in range(0, len(data), at_once):
        rows = slice(start, min(start + at_once, len(data)))
        y = data.targets(rows) if hasattr(data, "targets") else network.backend.to_numpy(data.take(rows)[1])
        y = y.astype(np.float64)
        some = np.ones((len(y), 1)) if weights is None else weights[rows].reshape(-1, 1)
        total, sums = total + some.sum(), sums + (some * y).sum(axis=0)
        squares = squares + (some * y * y).sum(axis=0)  # no product of matrices: BLAS would allocate its own memory
    mean = sums / total
    if network.cost == "quadratic":
        return float(np.sum(squares / total - mean**2)) / 2
    parts = (mean,) if network.cost == "cross-entropy" else (mean, 1 - mean)
    return -sum(float(np.sum(part * np.log(part, where=part > 0, out=np.zeros_like(part)))) for part in parts)


def is_no_better(cost: float | None, than: float) -> bool:
    """Whether `cost` is no lower than what one answer for all costs; never where all targets are one."""
    return cost is not None and than > 0 and cost >= (1 - LEAST_GAIN) * than
