"""What a device's memory is used for at one moment. No arrays here and no way to ask: the backend does that."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes of a device: `used_bytes`, in live arrays of this project, rounded up as they are allocated;
    `pool_bytes`, taken from the driver for them and kept for reuse; `outside_bytes`, whatever else is in use: the
    context, cuBLAS, other libraries and processes; `total_bytes`, all that the device has; `limit_bytes`, the limit
    set on `used_bytes`, if one is.
    """

    used_bytes: int
    pool_bytes: int
    outside_bytes: int
    total_bytes: int
    limit_bytes: int | None = None

    @property
    def free_bytes(self) -> int:
        """Bytes that this project could still allocate: what the driver has left, and what the pool keeps unused.

        No more than the limit leaves.
        """
        there = self.total_bytes - self.outside_bytes
        return max((there if self.limit_bytes is None else min(there, self.limit_bytes)) - self.used_bytes, 0)
