"""Schedules in segments: some activations are kept from the forward pass, each other is recomputed at most once.

The layers between two checkpoints are a segment. The last segment's activations are held from the forward pass, as they
are needed at once. Each earlier one is run again when the error arrives at its end, and its activations are held
only until they are used.

Class: once-only, fixed stored set.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from checkpoint.errors import CheckpointError
from checkpoint.schedule.actions import Action, Backward, Forward, Release
from checkpoint.schedule.schedule import Schedule


def segmented(*, n_layers: int, checkpoints: Iterable[int], name: str = "") -> Schedule:
    """The schedule that keeps a_l for each l of `checkpoints`, 1 .. n_layers - 1.

    >>> print(segmented(n_layers=4, checkpoints=[2]))
    F1 F2* F3* F4 B4 B3 F1* B2 B1
    """
    kept = sorted(set(checkpoints))
    check_n_layers(n_layers)
    if kept and not 1 <= kept[0] <= kept[-1] < n_layers:
        raise CheckpointError(f"checkpoints must be from 1 to {n_layers - 1}; got {kept[0]} to {kept[-1]}")
    return Schedule(n_layers, tuple(_actions(n_layers, [0, *kept])), name)


def check_n_layers(n_layers: int) -> None:
    """Raise `CheckpointError` unless there is a layer."""
    if n_layers < 1:
        raise CheckpointError(f"a chain has at least one layer; got {n_layers}")


def _actions(n_layers: int, starts: list[int]) -> Iterator[Action]:
    for start, stop in pairwise(starts):
        for layer in range(start + 1, stop + 1):
            yield Forward(layer)
            if layer > start + 1:
                yield Release(layer - 1)
    yield from (Forward(layer) for layer in range(starts[-1] + 1, n_layers + 1))
    yield from (Backward(layer) for layer in range(n_layers, starts[-1], -1))
    for start, stop in reversed(list(pairwise(starts))):
        yield from (Forward(layer) for layer in range(start + 1, stop))
        yield from (Backward(layer) for layer in range(stop, start, -1))
