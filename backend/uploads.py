"""Mini-batches copied to a device ahead of their use: the interface. Backends on the host don't need it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Fill = Callable[..., None]
"""Writes values into the host arrays that it is called with, one for each shape asked for."""


@dataclass(slots=True)
class Upload:
    """Arrays on their way to the device, for which work that uses them waits until `arrival`.

    With a `divisor` the first of them is in uint8 there, and is still to be divided.
    """

    arrays: tuple[Any, ...]
    arrival: Any
    dtype: str
    divisor: float | None = None


class Uploads(ABC):
    """Copies from the host to a device that run beside its computations. For one thread."""

    @abstractmethod
    def begin(
        self, shapes: Sequence[tuple[int, ...]], dtype: str, fill: Fill, *, divisor: float | None = None
    ) -> Upload:
        """Allocate arrays of `shapes` on the device, let `fill` write their values, and begin the copies.

        With a `divisor` the first array is filled and copied in uint8.
        """

    @abstractmethod
    def finish(self, upload: Upload) -> tuple[Any, ...]:
        """The arrays in the upload's dtype, which belong to the caller; work begun from now on may use them.

        One that crossed in uint8 is divided on the device by the upload's divisor, into an array that is allocated now;
        the bytes are freed.
        """

    @abstractmethod
    def give_up(self, upload: Upload) -> None:
        """Let go of the arrays: work begun from now on may use their memory."""
