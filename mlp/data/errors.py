"""The errors of this package: a message, with its numbers as attributes. Knows no formats.

Every message is one line, even of a hostile file: what was wanted, what arrived, where, what to do.
"""

from mlp.errors import one_line


class DataError(ValueError):
    """Base class of this package's errors; `str()` is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, limit=2000))


class UnreadableDataError(DataError):
    """No such file, not a file, or no permission. `path`: the path given."""

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
    """A server did not send the file, or sent another one. `url`: which; `reason`: why."""

    def __init__(self, message: str, *, url: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.url = url
        self.reason = reason
