"""Segments whose checkpoints are on the host while the segments behind them run, or stay where they are.

Class: once-only segments, each checkpoint kept or offloaded. One that is offloaded is copied to the host as soon as it
is made, while its segment's layers run on from it, and released when the next checkpoint is held. In the backward pass
it is fetched while the segment behind its own goes backward. One that is kept stays on the device until then. So does
that of the last segment, which is needed at once. Segments of one layer recompute nothing. Rows don't mix, so the way
to the next checkpoint, and the way back through a segment, are for the whole mini-batch or a row block at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from checkpoint.errors import CheckpointError
from checkpoint.schedule.actions import Action, Backward, Fetch, Offload, Release
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.stretches import written
from checkpoint.strategies.every_nth import every_nth
from checkpoint.strategies.segments import check_checkpoints
from checkpoint.strategies.sweeps import sweep_in_row_blocks, there_and_back, there_and_back_in_row_blocks

ALL_ROWS = 2**62
"""A row block that no mini-batch is larger than."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The layers between a_start and a_stop, and what becomes of the checkpoint a_start.

    `away`: whether it is offloaded. `fetch_before`: the layer before whose backward step the checkpoint of the segment
    before this one is fetched, where that is away; `stop`, for before all of this segment, or `start`, for after all of
    it. `sweep_rows` are those of a row block on the way to a_stop, `rows` those of one on the way back; in row blocks a
    fetch comes before all of the segment or after it.
    """

    start: int
    stop: int
    away: bool
    fetch_before: int
    sweep_rows: int = ALL_ROWS
    rows: int = ALL_ROWS


def offloaded(*, n_layers: int, checkpoints: Iterable[int], kept: Iterable[int] = (), name: str = "") -> Schedule:
    """The schedule that keeps a_l for each l of `checkpoints`, 1 .. n_layers - 1: on the host, except the last one.

    Those of `kept` stay on the device. Raises `CheckpointError` for numbers that are no checkpoints.

    >>> print(offloaded(n_layers=4, checkpoints=[1, 2, 3]))
    F1* O1 F2* D1 O2 F3* D2 P2 F4 B4 P1 B3 B2 B1
    >>> print(offloaded(n_layers=4, checkpoints=[1, 2, 3], kept=[1]))
    F1* F2* O2 F3* D2 P2 F4 B4 B3 B2 B1
    """
    n_layers, starts = check_checkpoints(n_layers, checkpoints)
    _, staying = check_checkpoints(n_layers, kept)
    if others := sorted({*staying} - {*starts}):
        raise CheckpointError(f"only checkpoints are kept; a_{others[0]} is none of {starts}")
    segments = [
        Segment(start, stop, away=bool(start) and start not in staying, fetch_before=stop)
        for start, stop in pairwise([0, *starts, n_layers])
    ]
    return Schedule(n_layers, tuple(offloaded_actions(n_layers, 1, segments)), name)


def every_nth_offloaded(*, n_layers: int, n: int) -> Schedule:
    """`every_nth`, its checkpoints offloaded."""
    kept = every_nth(n_layers=n_layers, n=n)
    return offloaded(n_layers=n_layers, checkpoints=range(n, n_layers, n), name=f"{kept.name}, offloaded")


def offloaded_actions(n_layers: int, batch_size: int, segments: Sequence[Segment]) -> Iterator[Action]:
    """The actions of `segments`, the first of which begins at the input, on a mini-batch of `batch_size` rows.

    Where all of them are for whole mini-batches, the actions are for those of any size.
    """
    for segment in segments[:-1]:
        if segment.away:
            yield Offload(segment.start)
        yield from written([sweep_in_row_blocks(batch_size, segment.start, segment.stop, segment.sweep_rows)])
        if segment.away:
            yield Release(segment.start)
    before = [None, *segments[:-1]]
    for segment, fetched in reversed(list(zip(segments, before, strict=True))):
        checkpoint = fetched.start if fetched is not None and fetched.away else None
        yield from _back(n_layers, batch_size, segment, checkpoint)


def _back(n_layers: int, batch_size: int, segment: Segment, fetched: int | None) -> Iterator[Action]:
    """The way back through a segment, and the fetch of the checkpoint a_fetched in its place."""
    start, stop, before = segment.start, segment.stop, segment.fetch_before
    fetch = () if fetched is None else (Fetch(fetched),)
    if before >= stop:
        yield from fetch
    if segment.rows < batch_size:
        yield from written([there_and_back_in_row_blocks(n_layers, batch_size, [start, stop], segment.rows)])
    else:
        for action in there_and_back(n_layers, start, stop):
            if isinstance(action, Backward) and action.layer == before < stop:
                yield from fetch
            yield action
    if before <= start:
        yield from fetch
