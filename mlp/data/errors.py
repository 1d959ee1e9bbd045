"""What this package raises. Knows nothing of formats: a message, and the numbers that belong to it, as attributes.

Every message is one line, whatever a hostile file put into it: what was wanted, what arrived, where, what to do.
"""

from mlp.errors import one_line


class DataError(ValueError):
    """The data that was asked for can't be had as wanted. Base class of this package's errors; `str()` is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, limit=2000))


class UnreadableDataError(DataError):
    """No such file, not a file, or no permission. `path` is what was asked for."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class DamagedDataError(DataError):
    """The bytes aren't what the format says: cut short, altered, or another kind of file."""


class OversizedDataError(DataError):
    """A header promises more than `limit_bytes`; nothing of that size was read or allocated."""

    def __init__(self, message: str, *, promised_bytes: int = 0, limit_bytes: int = 0) -> None:
        super().__init__(message)
        self.promised_bytes = promised_bytes
        self.limit_bytes = limit_bytes


class DownloadError(DataError):
    """A place on the network didn't give the file, or gave another one. `url` says where, `reason` why."""

    def __init__(self, message: str, *, url: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.url = url
        self.reason = reason
