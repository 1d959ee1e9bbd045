"""Files replaced whole or not at all: a reader finds the old one or the new one, whenever the writer is killed.

The new content goes to a temporary file in the same folder, which is flushed to the disk, renamed over the old one, and
the folder flushed too. Links are written through, and modes kept. What is no regular file, such as a pipe, is written
to and stays what it is.

A temporary file has a random name of fixed length, and is locked while its writer lives: any number of writers, in any
containers that share the folder, keep out of each other's way, and one that is not locked is left over from a writer
that was killed. Knows nothing of what is written.
"""

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed: it is as good as locked
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r"\.mlp-[0-9a-f]{16}\.tmp")
_IN_PLACE = ("/dev/std", "/dev/fd/", "/proc/")
"""Where names stand for what is open already: a file renamed over it would not be what is open."""


@contextmanager
def replaced(path: Path, *, keep: int = 0) -> Iterator[BinaryIO]:
    """A file to write (and to read again, and to seek in), which takes `path`'s place at the end of the block.

    `keep`: how many older files stay, as PATH.1 (the one before) to PATH.N. Where the block raises, or the disk
    is full, `path` is as it was and the temporary file is gone. Raises `OSError`.
    """
    there = _stat(path)
    if _in_place(path, there):
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as output:
                shutil.copyfileobj(file, output)
        return
    target = Path(os.path.realpath(path))
    temporary, descriptor = _new_temporary(target.parent, 0o666 if there is None else 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if there is not None:
                _make_like(temporary, there)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if keep:
                for older in range(min(keep, _kept(target) + 1), 0, -1):
                    _put_aside(target, older)
            if fcntl is None:
                file.close()
            temporary.replace(target)  # while it is locked
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(target.parent)


def check_replaceable(path: Path) -> None:
    """Raise `OSError` unless `replaced` could put a file at `path`: its folder, name and permissions allow it.

    A file that is not there is made and removed again; one that is there stays as it is.
    """
    there = _stat(path)
    if _in_place(path, there):
        if not os.access(path, os.W_OK):
            raise PermissionError("may not be written to")
        return
    target = Path(os.path.realpath(path))
    temporary, descriptor = _new_temporary(target.parent, 0o600)
    try:
        if there is None:  # try the very name: it may be too long, or have characters that the disk refuses
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            target.unlink()
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def is_written_in_place(path: Path) -> bool:
    """Whether `path` is written to and stays what it is, such as a pipe or a device. Raises `OSError` for a folder."""
    return _in_place(path, _stat(path))


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files in `path`'s folder that writers left behind when they were killed."""
    with contextlib.suppress(OSError):
        for entry in list(Path(os.path.realpath(path)).parent.iterdir()):
            if _TEMPORARY.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_unlocked(entry)


def flush_folder(folder: Path) -> None:
    """Flush the folder's entries to the disk, where the system can: a rename then survives a power cut."""
    with contextlib.suppress(OSError):  # Windows opens no folders, and some file systems flush none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _kept(path: Path) -> int:
    """How many older files there are, PATH.1, PATH.2 and so on without a gap."""
    return next(number for number in count() if not numbered(path, number + 1).exists())


def numbered(path: Path, number: int) -> Path:
    """PATH.number, beside the file itself where `path` is a link."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    return target.with_name(f"{target.name}.{number}")


def _stat(path: Path) -> os.stat_result | None:
    """What `path` names, links followed; None where there is nothing. A folder is an `OSError`."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    except ValueError as error:  # characters that no file name can have
        raise OSError(str(error)) from None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError("is a folder")
    return there


def _in_place(path: Path, there: os.stat_result | None) -> bool:
    return there is not None and (not stat.S_ISREG(there.st_mode) or str(path.absolute()).startswith(_IN_PLACE))


def _make_like(temporary: Path, there: os.stat_result) -> None:
    """Let a new file have the owner, as far as that is allowed, and the mode of the one that it will replace."""
    ours = temporary.stat()
    if hasattr(os, "chown") and (ours.st_uid, ours.st_gid) != (there.st_uid, there.st_gid):
        with contextlib.suppress(OSError):
            os.chown(temporary, there.st_uid, there.st_gid)
    temporary.chmod(stat.S_IMODE(there.st_mode))


def _new_temporary(folder: Path, mode: int) -> tuple[Path, int]:
    """A new temporary file in `folder`, locked, and its descriptor. The umask applies to `mode`."""
    while True:
        temporary = folder / f".mlp-{secrets.token_hex(8)}.tmp"
        # O_EXCL: never through a link that someone else put there.
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # removed as a leftover in between


def _lock(descriptor: int) -> bool | None:
    """Lock an open file: whether it could be done; None where this file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_if_unlocked(temporary: Path) -> None:
    if fcntl is None:
        temporary.unlink()
        return
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _lock(descriptor):
            temporary.unlink()  # while it is locked
    finally:
        os.close(descriptor)


def _put_aside(path: Path, number: int) -> None:
    """Let PATH.number be what PATH.(number - 1) is, where PATH.0 is `path`, which stays where it is meanwhile."""
    source = path if number == 1 else numbered(path, number - 1)
    target = numbered(path, number)
    if number > 1:
        with contextlib.suppress(FileNotFoundError):  # there is none yet, or another writer has moved it
            source.replace(target)
        return
    while source.exists():
        temporary = path.with_name(f".mlp-{secrets.token_hex(8)}.tmp")
        try:
            temporary.hardlink_to(source)  # a second name: the file never goes without one
        except OSError:  # a file system without hard links
            shutil.copyfile(source, temporary)
        with contextlib.suppress(FileNotFoundError):  # removed as a leftover in between
            temporary.replace(target)
            temporary.unlink(missing_ok=True)  # where both are names of one file, a rename leaves them
            return
