"""What a measurement of memory returns. No arrays here and no way to measure: the meters and the backends do that."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Usage:
    """Array bytes during a block of code, above those live when it began.

    `peak_bytes` is the most at any moment and `end_bytes` what was still live at the end; both are set when the block
    ends. `arena_bytes` is the end of the array that lay highest in an arena. `mark()` inside the block appends the
    bytes live at that moment to `marks`.
    """

    peak_bytes: int = 0
    end_bytes: int = 0
    arena_bytes: int = 0
    marks: list[int] = field(default_factory=list)
    _read: Callable[[], int] | None = None

    def mark(self) -> None:
        """Append the array bytes live now, above the block's start, to `marks`; does nothing after the block."""
        if self._read is not None:
            self.marks.append(self._read())


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """What a device's memory is used for at one moment, in bytes.

    `used_bytes`: live arrays of this project, each rounded up as it is allocated. `pool_bytes`: taken from the driver
    for them and kept for reuse. `outside_bytes`: everything else in use, which is the context, cuBLAS, other libraries
    and other processes. `total_bytes`: the device's size. `limit_bytes`: the limit set on `used_bytes`, if any.
    """

    used_bytes: int
    pool_bytes: int
    outside_bytes: int
    total_bytes: int
    limit_bytes: int | None = None

    @property
    def free_bytes(self) -> int:
        """Bytes that this project can still allocate: the driver's free memory and the pool's, within the limit."""
        most = self.total_bytes - self.outside_bytes
        if self.limit_bytes is not None:
            most = min(most, self.limit_bytes)
        return max(most - self.used_bytes, 0)
