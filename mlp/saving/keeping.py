"""Older states beside the newest one, PATH.1 to PATH.N: that nothing else is moved along with them."""

from collections.abc import Iterator
from pathlib import Path

from mlp.errors import StateError
from mlp.saving.atomic import is_written_in_place, numbered
from mlp.saving.read import read_state


def check_kept(path: Path, keep: int) -> None:
    """Raise `StateError` where keeping `keep` older states would move, or overwrite, what is no saved state.

    Raises `OSError` where `path` is a folder.
    """
    if keep and not is_written_in_place(path):
        for known in (path, *older_files(path, keep)):
            try:
                if known.exists():
                    read_state(known)
            except StateError as error:
                raise StateError(f"{error}; keep={keep} moves no other file along, move it away") from None


def older_files(path: Path, keep: int) -> Iterator[Path]:
    """The files PATH.1 to at most PATH.`keep` that are there, up to the first that is not."""
    for number in range(1, keep + 1):
        older = numbered(path, number)
        if not older.exists():
            return
        yield older
