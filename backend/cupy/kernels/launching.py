"""The one way to the device: every kernel is launched here, and every product begun.

What is launched in a watched step gets the step's place on the device (`watch.cuh`). While launches are recorded
nothing is launched; `backend.cupy.recording` makes a plan of them. Both are one thread's own.
"""

import threading
from typing import Any, Protocol

from backend.errors import BackendError

OUTPUT_CODE = 2**30
"""What a layer's output is noted by is this less the layer, so the lowest layer is the highest code."""

CLOSED_CODE = 2**32 - 1
"""Above all codes: an earlier step was noted."""


class StepRate(float):
    """The rate of a watched step, or with `is_negative` the negative of it: kernels read it on the device."""

    is_negative = False

    def __neg__(self) -> "StepRate":
        other = StepRate(-float(self))
        other.is_negative = not self.is_negative
        return other


class WatchedStep(Protocol):
    """The step that is watched now: where it is on the device, and which layer is at work."""

    address: int
    minus_rate_address: int
    keep_address: int
    numbers_address: int
    keep: float
    layer: int
    forward: bool
    rule: Any


class Recorder(Protocol):
    """What takes launches in place of the device."""

    def kernel(self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        """Note a kernel's launch."""

    def product(self, handle: Any, item: str, arguments: tuple[Any, ...]) -> None:
        """Note a product, with gemm's arguments after its handle."""


class NotRecorded(BackendError):
    """Something that cannot be launched again as it is: it allocates, waits or copies."""


class _Here(threading.local):
    watched: WatchedStep | None = None
    recorder: Recorder | None = None


here = _Here()
"""What is open in this thread."""


def run(kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
    """Launch a kernel on the current stream."""
    if here.recorder is None:
        kernel(grid, block, arguments)
    else:
        here.recorder.kernel(kernel, grid, block, arguments)


def multiply(handle: Any, item: str, arguments: tuple[Any, ...]) -> None:
    """Begin a product on the current stream: gemm of C type `item`, with its arguments after the handle."""
    if here.recorder is None:
        handle.gemm(item, arguments)
    else:
        here.recorder.product(handle, item, arguments)


def not_to_record(what: str) -> None:
    """Raise `NotRecorded` where launches are recorded: `what` is not one."""
    if here.recorder is not None:
        raise NotRecorded(f"a step is recorded, and {what}")


def noted(*, below: int = 0) -> tuple[int, int]:
    """A kernel's last arguments: the watched step and the code that bad numbers are noted by; zeros for no step.

    `below`: how far below the layer at work the error that is noted is, in a backward step.
    """
    step = here.watched
    if step is None:
        return 0, 0
    return step.address, OUTPUT_CODE - step.layer if step.forward else step.layer - below


def by_value(rate: float) -> float:
    """A rate, or 0 for one that kernels read on the device."""
    return 0.0 if here.watched is not None and isinstance(rate, StepRate) else float(rate)


def refusing(rate: float) -> tuple[int, int, int]:
    """The same for kernels that may be refused: the step, the layer, and whether `rate` is to be read from the step."""
    step = here.watched
    return (0, 0, 0) if step is None else (step.address, step.layer, int(isinstance(rate, StepRate)))
