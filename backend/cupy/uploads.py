"""Mini-batches on their way to a GPU: pinned buffers on the host, and copies beside the stream that computes.

Two buffers are filled in turn, so that one can be filled while the other is copied. The host waits for a buffer's last
copy before it fills it again; the copy waits for the work that used the arrays' memory before; work on the arrays waits
for the copy. CuPy is imported when a `CupyUploads` is made.
"""

from collections.abc import Sequence
from itertools import accumulate
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

    def begin(
        self, shapes: Sequence[tuple[int, ...]], dtype: str, fill: Fill, *, divisor: float | None = None
    ) -> Upload:
        dtypes = [dtype if divisor is None else "uint8", *[dtype] * (len(shapes) - 1)]
        arrays = tuple(map(self._backend.empty, shapes, dtypes))
        buffer, other = self._buffers
        self._buffers = other, buffer
        self._before_filling(buffer)
        places = self._places(buffer, shapes, [*map(np.dtype, dtypes)])
        fill(*places)
        self._copies.follow_computing()
        for a, place in zip(arrays, places, strict=True):
            buffer.copied = self._copies.to_device(a, place.ctypes.data)
        return Upload(arrays, buffer.copied, dtype, divisor)

    def finish(self, upload: Upload) -> tuple[Any, ...]:
        self._copies.computing_follows(upload.arrival)
        arrays, upload.arrays = upload.arrays, ()
        if upload.divisor is None:
            return arrays
        numbers, *others = arrays
        a = self._backend.empty(numbers.shape, upload.dtype)
        self._backend.divide_bytes_(a, numbers, upload.divisor)
        return a, *others

    def give_up(self, upload: Upload) -> None:
        self._copies.computing_follows(upload.arrival)
        upload.arrays = ()

    @staticmethod
    def _before_filling(buffer: _Buffer) -> None:
        if buffer.copied is not None:
            buffer.copied.synchronize()

    def _places(
        self, buffer: _Buffer, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]]
    ) -> list[np.ndarray]:
        """Host arrays of these shapes and dtypes in a buffer, one after another."""
        sizes = [prod(shape) * dtype.itemsize for shape, dtype in zip(shapes, dtypes, strict=True)]
        ends = [*accumulate((-(-size // ALIGNMENT) * ALIGNMENT for size in sizes), initial=0)]
        if ends[-1] > buffer.size:
            buffer.memory = None  # before the larger one exists, not after
            buffer.memory, buffer.size = self._copies.pinned(ends[-1]), ends[-1]
        whole = buffer.memory
        return [
            np.frombuffer(whole, dtype, prod(shape), start).reshape(shape)
            for shape, dtype, start in zip(shapes, dtypes, ends[:-1], strict=True)
        ]
