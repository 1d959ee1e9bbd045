"""Plain backpropagation: every activation is kept, nothing is recomputed."""

from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies.segments import segmented


def store_all(*, n_layers: int) -> Schedule:
    """The schedule that keeps every activation.

    >>> print(store_all(n_layers=3))
    F1* F2* F3 B3 B2 B1
    """
    return segmented(n_layers=n_layers, checkpoints=range(1, n_layers), name="store all")
