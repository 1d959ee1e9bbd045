"""Arrays that go to a device ahead of their use: the interface. A backend of the host's arrays has no need of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Fill = Callable[..., None]
"""Writes the host's arrays that it is given, one for each shape asked for."""


@dataclass(slots=True)
class Upload:
    """Arrays on their way to the device. `arrival` is what whoever uses them waits for."""

    arrays: tuple[Any, ...]
    arrival: Any


class Uploads(ABC):
    """Copies from the host to a device, beside what it computes. One thread's."""

    @abstractmethod
    def begin(self, shapes: Sequence[tuple[int, ...]], dtype: str, fill: Fill) -> Upload:
        """Allocate arrays of `shapes` on the device, let `fill` write their values, and begin to copy these there."""

    @abstractmethod
    def finish(self, upload: Upload) -> tuple[Any, ...]:
        """The arrays, which what is computed from now on may use; they are the caller's."""
