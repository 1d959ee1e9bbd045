"""The mini-batches of an epoch, each on the device by the time its step begins.

On a GPU, the next mini-batch is gathered and copied while the step before it computes. Its arrays are allocated before
that step, so two mini-batches are held between steps and in them. Inputs that the host has in uint8 cross so, and
become floats on the device when their turn comes: of the next mini-batch's inputs, bytes are held. Where arrays are the
host's, or the data is on the device, a mini-batch is taken when its turn comes.
"""

from collections.abc import Generator, Iterable
from itertools import chain
from typing import Any

import numpy as np

from backend.uploads import Upload, Uploads
from mlp.training.batches import Batches, HostBatches, Taker, divisor_of

Rows = slice | np.ndarray


def batches_ahead(
    taker: Taker, data: Batches, steps: Iterable[tuple[int, Rows]]
) -> Generator[tuple[int, tuple[Any, ...]], None, None]:
    """(step number, (X, y)) for each of `steps`, (step number, rows); no reference to the arrays is kept."""
    uploads = taker.backend.uploads()
    if uploads is None or not isinstance(data, HostBatches) or not data.on_host:
        for number, rows in steps:
            yield number, data.take(rows)
        return
    coming: tuple[int, Upload] | None = None
    try:
        for following in chain(steps, [None]):
            ready, coming = [] if coming is None else [(coming[0], uploads.finish(coming[1]))], None
            if following is not None:
                coming = following[0], _begin(taker, uploads, data, following[1])
            if ready:
                yield ready.pop()
    finally:
        if coming is not None:  # abandoned: its memory must not be reused before the copy ends
            uploads.give_up(coming[1])


def _begin(taker: Taker, uploads: Uploads, data: HostBatches, rows: Rows) -> Upload:
    n_rows = len(range(*rows.indices(len(data)))) if isinstance(rows, slice) else len(rows)
    shapes = [(n_rows, width) for width in (taker.sizes[0], taker.sizes[-1])]
    return uploads.begin(shapes, taker.dtype, lambda X, y: data.fill(rows, X, y), divisor=divisor_of(data))
