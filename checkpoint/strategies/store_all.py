"""Plain backpropagation: every activation is kept, nothing is recomputed."""

from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies.segments import check_n_layers
from checkpoint.strategies.sweeps import there_and_back


def store_all(*, n_layers: int) -> Schedule:
    """The schedule that keeps every activation.

    >>> print(store_all(n_layers=3))
    F1* F2* F3 B3 B2 B1
    """
    n_layers = check_n_layers(n_layers)
    return Schedule(n_layers, tuple(there_and_back(n_layers, 0, n_layers)), "store all")
