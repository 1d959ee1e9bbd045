"""Segments whose checkpoints are on the host while the segments behind them run: bytes of a few segments, and no more.

Class: once-only segments, checkpoints offloaded. Each checkpoint is copied to the host as soon as it is made, while its
segment's layers run on from it, and released when the next checkpoint is held. In the backward pass it is fetched while
the segment behind its own goes backward. The checkpoint of the last segment, which is needed at once, stays. Segments
of one layer recompute nothing.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies.every_nth import every_nth
from checkpoint.strategies.segments import check_checkpoints
from checkpoint.strategies.sweeps import sweep


def offloaded(*, n_layers: int, checkpoints: Iterable[int], name: str = "") -> Schedule:
    """The schedule that keeps a_l for each l of `checkpoints`, 1 .. n_layers - 1, on the host, except the last one.

    >>> print(offloaded(n_layers=4, checkpoints=[1, 2, 3]))
    F1* O1 F2* D1 O2 F3* D2 P2 F4 B4 P1 B3 B2 B1
    """
    n_layers, kept = check_checkpoints(n_layers, checkpoints)
    return Schedule(n_layers, tuple(offloaded_actions(n_layers, [0, *kept], [*kept, n_layers])), name)


def every_nth_offloaded(*, n_layers: int, n: int) -> Schedule:
    """`every_nth`, its checkpoints offloaded."""
    kept = every_nth(n_layers=n_layers, n=n)
    return offloaded(n_layers=n_layers, checkpoints=range(n, n_layers, n), name=f"{kept.name}, offloaded")


def offloaded_actions(n_layers: int, starts: Iterable[int], fetch_before: Iterable[int]) -> Iterator[Action]:
    """The actions with a checkpoint at each of `starts`, the first of which is the input.

    `fetch_before[i]`: the layer before whose backward step in segment i the checkpoint of segment i - 1 is fetched; the
    segment's end, for before all of it, or its start, for after all of it.
    """
    segments = list(pairwise([*starts, n_layers]))
    for start, stop in segments[:-1]:
        if start:
            yield Offload(start)
        yield from sweep(start, stop)
        if start:
            yield Release(start)
    fetches = [0, *(start for start, _ in segments[:-1])]
    for (start, stop), fetched, before in reversed(list(zip(segments, fetches, fetch_before, strict=True))):
        if fetched and before >= stop:
            yield Fetch(fetched)
        yield from (Forward(layer) for layer in range(start + 1, stop + (stop == n_layers)))
        for layer in range(stop, start, -1):
            if fetched and layer == before < stop:
                yield Fetch(fetched)
            yield Backward(layer)
        if fetched and before <= start:
            yield Fetch(fetched)
