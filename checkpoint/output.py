"""Files that the commands write: found unwritable before the work, and replaced whole or not at all."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.lazy import version
from checkpoint.errors import CheckpointError

PROGRAM = "mlp-checkpointing"

REPORT_FORMAT = 1
"""The version of what `--json` writes: raised when a key changes its meaning or goes, not when one is added."""


class OutputError(CheckpointError):
    """A file that cannot be written: its path, and why."""


def check_writable(path: Path | None) -> None:
    """Raise `OutputError` unless a file can be put at `path`, by trying it. Whatever is there stays as it is."""
    if path is None:
        return
    from mlp.saving.atomic import check_replaceable  # whose package loads NumPy, which planning does without

    try:
        is_folder = path.is_dir()
        if not is_folder:
            check_replaceable(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {path}: {reason}; choose another path") from None
    if is_folder:
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")


def check_apart(written: Mapping[str, Sequence[Path]], read: Mapping[str, Sequence[Path]]) -> None:
    """Raise `OutputError` where two files that are written, or one that is written and one that is read, are one file.

    Both are paths by the option that names them, which may be several. Devices and pipes take any number of outputs.
    """
    seen: dict[str, str] = {}
    for option, paths in (*read.items(), *written.items()):
        for path in paths:
            if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - Path's raise
                continue
            other = seen.setdefault(os.path.realpath(path), option)
            if other != option and option in written:
                raise OutputError(f"{other} and {option} both name {path}; give each a file of its own")


def is_stream(path: Path) -> bool:
    """Whether what is at `path`, which can be written, is a pipe, a device or the like: it has no kind of its own."""
    from mlp.saving.atomic import is_written_in_place

    return is_written_in_place(path)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, so that a reader finds the old file or the new one and never a part."""
    from mlp.saving.atomic import replaced

    try:
        with replaced(path) as file:
            file.write(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; what was there is unchanged") from None


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write `record` as JSON, two spaces deep."""
    replace_file(path, (json.dumps(record, indent=2) + "\n").encode())


def write_report(path: Path | None, command: str, record: Mapping[str, Any]) -> None:
    """Write what `command` found to `path`, if there is one: the file of `--json`.

    Every key of `record`, and of the records in it, is described in `checkpoint/commands/JSON.md`; a test compares.
    """
    if path is not None:
        head = {"format": REPORT_FORMAT, "program": PROGRAM, "version": version(), "command": command}
        write_json(path, {**head, **record})
