"""Copies between the host and a GPU on a stream of their own, beside the stream that computes.

The copying stream and the current one, which computes, wait for each other by events; the host waits for neither. CuPy
is imported when a `CopyingStream` is made.
"""

from typing import Any

from backend.cupy.kernels.launching import not_to_record


class CopyingStream:
    """A stream of `device`, a `cupy.cuda.Device`. Copies run in the order in which they are begun."""

    def __init__(self, device: Any) -> None:
        import cupy

        self._cupy, self._device = cupy, device
        with device:
            self._stream = cupy.cuda.Stream(non_blocking=True)

    def follow_computing(self) -> None:
        """Copies begun from now on wait for what is being computed."""
        with self._device:
            self._stream.wait_event(self._mark(self._cupy.cuda.get_current_stream()))

    def computed(self) -> Any:
        """The event that ends what is being computed."""
        with self._device:
            return self._mark(self._cupy.cuda.get_current_stream())

    def to_host(self, a: Any, address: int) -> Any:
        """Begin to copy the device array `a` to pinned memory at `address`; the event that ends the copy."""
        with self._device:
            a.data.copy_to_host_async(address, a.nbytes, self._stream)
            return self._mark(self._stream)

    def to_device(self, a: Any, address: int) -> Any:
        """Begin to copy pinned memory at `address` to the device array `a`; the event that ends the copy."""
        with self._device:
            a.data.copy_from_host_async(address, a.nbytes, self._stream)
            return self._mark(self._stream)

    def computing_follows(self, event: Any = None) -> None:
        """What is computed from now on waits for `event`; None means for every copy begun."""
        with self._device:
            self._cupy.cuda.get_current_stream().wait_event(event or self._mark(self._stream))

    def synchronize(self) -> None:
        """Wait on the host for every copy begun."""
        with self._device:
            self._stream.synchronize()

    def pinned(self, size: int) -> Any:
        """Pinned memory of `size` bytes, freed with the last reference to it.

        CuPy's own pool of pinned memory rounds up to powers of two; this allocates exactly what is asked for. Raises
        `CUDARuntimeError` where so much cannot be pinned.
        """
        with self._device:
            return self._cupy.cuda.PinnedMemoryPointer(self._cupy.cuda.PinnedMemory(size), 0)

    def _mark(self, stream: Any) -> Any:
        not_to_record("something is copied")
        event = self._cupy.cuda.Event(disable_timing=True)
        event.record(stream)
        return event
