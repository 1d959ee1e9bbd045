"""Standard output and error that cannot end a run: what they cannot take is left out, and said at the end.

A training may take hours, and its text is the least of what it makes. Output may be in an encoding that lacks a
character, go to a reader that has gone (`| head`), or to a full disk.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class SafeStream:
    """A text stream that writes to another one and never raises for it: `.failure` is the first error, or None.

    Characters that its encoding lacks are written as escapes. After an error nothing more is written. Where there is no
    stream at all, as in a program without a console, nothing is written and nothing fails.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.failure: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """Write `text`, as far as that is possible; returns its length."""
        with self._noting_failure():
            if self._stream is not None and self.failure is None:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    encoding = self._stream.encoding
                    self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Flush, if nothing has failed yet."""
        with self._noting_failure():
            if self._stream is not None and self.failure is None:
                self._stream.flush()

    def end(self) -> None:
        """Flush. What a failed stream still has buffered goes nowhere, so that Python does not fail on it at exit."""
        self.flush()
        if self.failure is not None and self._stream is not None:
            with suppress(OSError, ValueError):
                descriptor = os.open(os.devnull, os.O_WRONLY)
                os.dup2(descriptor, self._stream.fileno())
                os.close(descriptor)

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # a ValueError where it is closed
            self.failure = self.failure or error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def safe_streams() -> Iterator[SafeStream]:
    """A block in which standard output and error are `SafeStream`s; the former is what comes back."""
    before = sys.stdout, sys.stderr
    output, errors = (SafeStream(stream) for stream in before)
    sys.stdout, sys.stderr = output, errors
    try:
        yield output
    finally:
        sys.stdout, sys.stderr = before
        output.end()
        errors.end()
