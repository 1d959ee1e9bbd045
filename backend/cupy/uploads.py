"""Mini-batches on their way to a GPU: pinned buffers on the host, and copies beside the stream that computes.

Two buffers are filled in turn, so that one can be filled while the other is copied. The host waits for a buffer's last
copy before it fills it again; the copy waits for the work that used the arrays' memory before; work on the arrays waits
for the copy. CuPy is imported when a `CupyUploads` is made.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np

from backend.base import Backend
from backend.cupy.copying import CopyingStream
from backend.uploads import Fill, Upload, Uploads

ALIGNMENT = 512
"""Arrays in a buffer begin at multiples of this many bytes."""


class _Buffer:
    """Pinned memory, and the event that ends the last copy begun from it."""

    def __init__(self) -> None:
        self.memory: Any = None
        self.size = 0
        self.copied: Any = None


class CupyUploads(Uploads):
    """Uploads to the device of `backend`, a `CupyBackend`."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self._copies = backend, CopyingStream(backend.device)
        self._buffers = (_Buffer(), _Buffer())

    def begin(self, shapes: Sequence[tuple[int, ...]], dtype: str, fill: Fill) -> Upload:
        arrays = tuple(self._backend.empty(shape, dtype) for shape in shapes)
        buffer, other = self._buffers
        self._buffers = other, buffer
        self._before_filling(buffer)
        places = self._places(buffer, shapes, np.dtype(dtype))
        fill(*places)
        self._copies.follow_computing()
        for a, place in zip(arrays, places, strict=True):
            buffer.copied = self._copies.to_device(a, place.ctypes.data)
        return Upload(arrays, buffer.copied)

    def finish(self, upload: Upload) -> tuple[Any, ...]:
        self._copies.computing_follows(upload.arrival)
        arrays, upload.arrays = upload.arrays, ()
        return arrays

    @staticmethod
    def _before_filling(buffer: _Buffer) -> None:
        if buffer.copied is not None:
            buffer.copied.synchronize()

    def _places(self, buffer: _Buffer, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[np.ndarray]:
        """Host arrays of these shapes in a buffer, one after another."""
        ends = [*accumulate((-(-prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT for shape in shapes), initial=0)]
        if ends[-1] > buffer.size:
            buffer.memory = None  # before the larger one exists, not after
            buffer.memory, buffer.size = self._copies.pinned(ends[-1]), ends[-1]
        whole = buffer.memory
        return [
            np.frombuffer(whole, dtype, prod(shape), start).reshape(shape)
            for shape, (start, _) in zip(shapes, pairwise(ends), strict=True)
        ]
