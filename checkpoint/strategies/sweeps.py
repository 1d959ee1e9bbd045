"""The runs that schedules are put together from: forward to a checkpoint, and through a segment and back.

Rows of a multi-layer perceptron don't mix, so each run can be made for the whole mini-batch or for a block of its rows
at a time. No choices are made here.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from checkpoint.schedule.actions import Action, Backward, Forward, Release, Rows
from checkpoint.schedule.stretches import Blocks, Stretch


def sweep(start: int, stop: int, rows: Rows | None = None) -> Iterator[Action]:
    """Run forward from a_start to a_stop, and hold nothing between them.

    >>> print(*sweep(2, 5))
    F3 F4 D3 F5 D4
    """
    for layer in range(start + 1, stop + 1):
        yield Forward(layer, rows)
        if layer > start + 1:
            yield Release(layer - 1, rows)


def sweep_in_row_blocks(batch_size: int, start: int, stop: int, rows: int) -> Stretch:
    """The same, `rows` rows at a time: they fill an a_stop for the whole mini-batch, and nothing else is held whole."""
    run, blocks = list(sweep(start, stop)), row_blocks(batch_size, rows)
    if len(blocks) > 1:
        run[-1 if stop == start + 1 else -2] = Forward(stop, whole=True)
    return Stretch(tuple(run), blocks)


def there_and_back(n_layers: int, start: int, stop: int, rows: Rows | None = None) -> Iterator[Action]:
    """Hold all that lies between a_start and a_stop, and take the error back to a_start.

    At the end of the chain a_stop is run to as well, as its error is made from it.

    >>> print(*there_and_back(5, 2, 4))
    F3 B4 B3
    """
    top = stop if stop == n_layers else stop - 1
    yield from (Forward(layer, rows) for layer in range(start + 1, top + 1))
    yield from (Backward(layer, rows) for layer in range(stop, start, -1))


def through_segments(n_layers: int, places: Sequence[int]) -> Iterator[Action]:
    """Run from the first place to the last but one, keep a checkpoint at each, and take the segments between them back.

    The last segment, which ends at the last place, runs once. Each before it runs again when the error arrives.

    >>> print(*through_segments(9, [0, 2, 4]))
    F1 F2 D1 F3 B4 B3 F1 B2 B1
    """
    segments = list(pairwise(places))
    for start, stop in segments[:-1]:
        yield from sweep(start, stop)
    for start, stop in reversed(segments):
        yield from there_and_back(n_layers, start, stop)


def there_and_back_in_row_blocks(n_layers: int, batch_size: int, places: Sequence[int], rows: int) -> Stretch:
    """The same, `rows` rows at a time."""
    return Stretch(tuple(through_segments(n_layers, places)), row_blocks(batch_size, rows))


def row_blocks(batch_size: int, rows: int) -> Blocks:
    """The blocks of a mini-batch; one that is all of it is None.

    >>> row_blocks(10, 4)
    ((0, 4), (4, 8), (8, 10))
    """
    if rows >= batch_size:
        return (None,)
    return tuple(pairwise([*range(0, batch_size, rows), batch_size]))
