"""Mini-batches on their way to a card: pinned buffers of the host, and copies on a stream of their own.

Two buffers are filled in turn, so that one can be filled while the other is copied. The host waits for a buffer's last
copy before it fills it again; the copy waits for what used the arrays' memory before; what computes waits for the copy.
CuPy is imported when a `CupyUploads` is made.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from backend.base import Backend
from backend.uploads import Fill, Upload, Uploads

ALIGNMENT = 512


class _Buffer:
    """Pinned memory, and the copy that was last begun from it."""

    def __init__(self) -> None:
        self.memory: Any = None
        self.size = 0
        self.copied: Any = None


class CupyUploads(Uploads):
    """Uploads to the device of `backend`, a `CupyBackend`."""

    def __init__(self, backend: Backend) -> None:
        import cupy

        self._cupy, self._backend = cupy, backend
        with backend.device:
            self._stream = cupy.cuda.Stream(non_blocking=True)
        self._buffers = (_Buffer(), _Buffer())

    def begin(self, shapes: Sequence[tuple[int, ...]], dtype: str, fill: Fill) -> Upload:
        arrays = tuple(self._backend.empty(shape, dtype) for shape in shapes)
        first, second = self._buffers
        self._buffers = second, first
        with self._backend.device:
            self._before_filling(first)
            places = self._places(first, shapes, np.dtype(dtype))
            fill(*places)
            self._follow_computing()
            for a, place in zip(arrays, places, strict=True):
                a.data.copy_from_host_async(place.ctypes.data, a.nbytes, self._stream)
            first.copied = self._mark(self._stream)
        return Upload(arrays, first.copied)

    def finish(self, upload: Upload) -> tuple[Any, ...]:
        with self._backend.device:
            self._cupy.cuda.get_current_stream().wait_event(upload.arrival)
        arrays, upload.arrays = upload.arrays, ()
        return arrays

    @staticmethod
    def _before_filling(buffer: _Buffer) -> None:
        if buffer.copied is not None:
            buffer.copied.synchronize()

    def _follow_computing(self) -> None:
        """Let copies that are begun from now on wait for what is being computed."""
        self._stream.wait_event(self._mark(self._cupy.cuda.get_current_stream()))

    def _mark(self, stream: Any) -> Any:
        event = self._cupy.cuda.Event(disable_timing=True)
        event.record(stream)
        return event

    def _places(self, buffer: _Buffer, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[np.ndarray]:
        """Arrays of the host in a buffer, one after another."""
        sizes = [prod(shape) * dtype.itemsize for shape in shapes]
        starts = [0]
        for size in sizes:
            starts.append(starts[-1] + -(-size // ALIGNMENT) * ALIGNMENT)
        if starts[-1] > buffer.size:
            buffer.memory = None  # before the larger one is there, not after
            buffer.memory = self._cupy.cuda.PinnedMemoryPointer(self._cupy.cuda.PinnedMemory(starts[-1]), 0)
            buffer.size = starts[-1]
        return [
            np.frombuffer(buffer.memory, dtype, prod(shape), start).reshape(shape)
            for shape, start in zip(shapes, starts, strict=False)
        ]
