"""When pictures are drawn: after the JSON and before the text. One that fails costs neither."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from checkpoint.errors import CheckpointError
from checkpoint.output import OutputError


@contextmanager
def drawn(*pictures: Callable[[], None]) -> Iterator[None]:
    """A block that is run once the pictures are drawn, or could not be: it prints what they don't need.

    Raises what the first picture that failed raised, at the end of the block; `OutputError` for what only matplotlib
    knows.
    """
    failures = []
    for draw in pictures:
        try:
            draw()
        except CheckpointError as error:
            failures.append(error)
        except Exception as error:
            failures.append(OutputError(f"a picture could not be drawn: {type(error).__name__}: {error}"))
    yield
    if failures:
        raise failures[0]
