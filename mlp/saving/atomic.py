"""Files replaced whole or not at all: a reader finds the old one or the new one, whenever the writer is killed.

The new content goes to a temporary file in the same folder, which is flushed to the disk, renamed over the old one, and
the folder flushed too. Knows nothing of what is written.
"""

import contextlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psutil


@contextmanager
def replaced(path: Path, *, keep: int = 0) -> Iterator[BinaryIO]:
    """A file to write (and to read again, and to seek in), which takes `path`'s place at the end of the block.

    `keep`: how many older files stay, as PATH.1 (the one before) to PATH.N. Where the block raises, or the disk
    is full, `path` is as it was and the temporary file is gone. Raises `OSError`.
    """
    temporary = _temporary(path)
    try:
        with _new_file(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        for older in range(keep, 0, -1):
            _put_aside(path, older)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def check_replaceable(path: Path) -> None:
    """Raise `OSError` unless `replaced` could begin now: its very temporary file is made, and removed again."""
    temporary = _temporary(path)
    try:
        _new_file(temporary).close()
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that writers of `path` left behind when they were killed, on this machine."""
    pattern = re.compile(rf"\.{re.escape(path.name)}(?:\.[0-9]+)?\.{re.escape(_node())}\.([0-9]{{1,10}})\.tmp")
    with contextlib.suppress(OSError):
        for entry in list(path.parent.iterdir()):
            match = pattern.fullmatch(entry.name)
            if match and (int(match[1]) == os.getpid() or not psutil.pid_exists(int(match[1]))):
                entry.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Have the disk know the folder's names, where the system can do that: a rename is then there after a power cut."""
    with contextlib.suppress(OSError):  # Windows opens no folders, and some file systems flush none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _temporary(path: Path) -> Path:
    """A name for this process alone; one of the same name is left over from a process that is gone."""
    temporary = path.parent / f".{path.name}.{_node()}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    return temporary


def _new_file(path: Path) -> BinaryIO:
    # Made here and nowhere else: O_EXCL follows no link that somebody put there. The umask gives the mode.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), "w+b")


def _node() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:64] or "host"


def _put_aside(path: Path, number: int) -> None:
    """Let PATH.number be what PATH.(number - 1) is, where PATH.0 is `path`, which stays where it is meanwhile."""
    source = path if number == 1 else numbered(path, number - 1)
    target = numbered(path, number)
    if not source.exists():
        return
    if number > 1:
        source.replace(target)
        return
    temporary = _temporary(target)
    try:
        temporary.hardlink_to(source)  # a second name for it: at no moment is there none
    except OSError:  # a file system without hard links
        shutil.copyfile(source, temporary)
    temporary.replace(target)


def numbered(path: Path, number: int) -> Path:
    """PATH.number."""
    return path.with_name(f"{path.name}.{number}")
