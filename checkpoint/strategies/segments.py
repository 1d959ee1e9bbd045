"""Schedules in segments: some activations are kept from the forward pass, each other is recomputed at most once.

The layers between two checkpoints are a segment. The last segment's activations are held from the forward pass, as they
are needed at once. Each earlier segment is run again when the error arrives at its end, and its activations are held
only until they are used.

Class: once-only, fixed stored set.
"""

from collections.abc import Iterable
from operator import index

from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies.sweeps import through_segments


def segmented(*, n_layers: int, checkpoints: Iterable[int], name: str = "") -> Schedule:
    """The schedule that keeps a_l for each l of `checkpoints`, 1 .. n_layers - 1.

    >>> print(segmented(n_layers=4, checkpoints=[2]))
    F1 F2* F3* F4 B4 B3 F1* B2 B1
    """
    n_layers, kept = check_checkpoints(n_layers, checkpoints)
    return Schedule(n_layers, tuple(through_segments(n_layers, [0, *kept, n_layers])), name)


def check_checkpoints(n_layers: int, checkpoints: Iterable[int]) -> tuple[int, list[int]]:
    """The number of layers and the checkpoints in order. Raises `CheckpointError` where they make no segments."""
    n_layers = check_n_layers(n_layers)
    try:
        kept = sorted({index(layer) for layer in checkpoints})
    except TypeError:
        raise CheckpointError(f"checkpoints must be numbers of layers; got {checkpoints!r}") from None
    if kept and not 1 <= kept[0] <= kept[-1] < n_layers:
        raise CheckpointError(f"checkpoints must be from 1 to {n_layers - 1}; got {kept[0]} to {kept[-1]}")
    return n_layers, kept


def check_n_layers(n_layers: int) -> int:
    """`n_layers` as an int. Raises `CheckpointError` unless there is a layer."""
    return whole_number("n_layers", n_layers)
