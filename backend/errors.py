"""The errors of this package: one base class; reason and remedy are separate attributes."""


class BackendError(RuntimeError):
    """Base of every error that this package raises on purpose."""


class BackendUnavailable(BackendError):
    """A backend that is unknown, or cannot run here.

    `reason` says what is missing, `remedy` what to do about it; `str()` joins them in one line.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


class MeterError(BackendError):
    """Bytes cannot be measured exactly in this process as it is."""


class OutOfDeviceMemory(BackendError, MemoryError):
    """An allocation on a device that would pass the limit, or that the device has no room for.

    `asked_bytes` would have been added to `used_bytes`, in live arrays. `limit_bytes` is the limit on their sum, and
    `limit_name` the environment variable that sets it, if one does; None where the device itself was full, and then
    `free_bytes` is what it had left. `reason` is the message without the remedy, for callers that know a better one.
    """

    def __init__(
        self,
        *,
        asked_bytes: int,
        used_bytes: int,
        limit_bytes: int | None,
        limit_name: str | None = None,
        free_bytes: int | None = None,
    ) -> None:
        if limit_bytes is None:
            bound = f"the device has {free_bytes:,} free"
        else:
            bound = f"{limit_name or 'the limit'} is {limit_bytes:,}"
        self.reason = f"out of device memory: asked for {asked_bytes:,} bytes with {used_bytes:,} in use, and {bound}"
        remedy = "give a smaller budget, or shrink the batch"
        super().__init__(f"{self.reason}; {f'raise {limit_name}, ' if limit_name else ''}{remedy}")
        self.limit_name = limit_name
        self.asked_bytes = asked_bytes
        self.used_bytes = used_bytes
        self.limit_bytes = limit_bytes
        self.free_bytes = free_bytes


class OffloadError(BackendError):
    """A place that arrays cannot be offloaded to: what is wrong with it, and which place would do."""


class TransferError(BackendError):
    """A copy to or from the offload place that failed on the way: a full disk, or no memory left to pin."""
