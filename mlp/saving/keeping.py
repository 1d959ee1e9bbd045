"""Older states beside the newest one, PATH.1 to PATH.N: that nothing else is moved along with them."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlp.errors import StateError
from mlp.saving.atomic import is_written_in_place, numbered
from mlp.saving.read import read_state


def check_kept(path: Path, keep: int, older: Iterable[Path] | None = None) -> None:
    """Raise `StateError` where keeping `keep` older states would move, or overwrite, what is no saved state.

    `older`: the files that it is about, those of the next save unless they are given. Raises `OSError` where `path` is
    a folder.
    """
    if keep and not is_written_in_place(path):
        for known in (path, *(older_files(path, keep) if older is None else older)):
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


def files_to_come(path: Path, keep: int) -> list[Path]:
    """The files PATH.1 to PATH.`keep` that are there, whatever is missing between them: saves get to each in time."""
    first = numbered(path, 1)
    number = re.compile(re.escape(first.name[:-1]) + "([1-9][0-9]*)", re.ASCII)
    try:
        files = list(first.parent.iterdir())
    except OSError:  # a folder that may not be listed
        return list(older_files(path, keep))
    named = {int(found[1]): file for file in files if (found := number.fullmatch(file.name))}
    return [file for n, file in sorted(named.items()) if n <= keep and file.exists()]
