"""Mini-batches copied to a device ahead of their use: the interface. Backends on the host don't need it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Fill = Callable[..., None]
"""Writes values into the host arrays that it is called with, one for each shape asked for."""


@dataclass(slots=True)
class Upload:
    """Arrays on their way to the device. Work that uses them waits for `arrival`."""

    arrays: tuple[Any, ...]
    arrival: Any


class Uploads(ABC):
    """Copies from the host to a device that run beside its computations. For one thread."""

    @abstractmethod
    def begin(self, shapes: Sequence[tuple[int, ...]], dtype: str, fill: Fill) -> Upload:
        """Allocate arrays of `shapes` on the device, let `fill` write their values, and begin the copies."""

    @abstractmethod
    def finish(self, upload: Upload) -> tuple[Any, ...]:
        """The arrays, which belong to the caller; work begun from now on may use them."""
