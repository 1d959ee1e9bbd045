"""The errors of this package: one base class, with the reason and the remedy apart."""


class BackendError(RuntimeError):
    """Base of everything that this package raises on purpose."""


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
