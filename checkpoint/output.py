"""Files that the commands write: found unwritable before the work, and replaced whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkpoint.errors import CheckpointError
from mlp.saving.atomic import check_replaceable, replaced


class OutputError(CheckpointError):
    """A file that cannot be written: its path, and why."""


def check_writable(path: Path | None) -> None:
    """Raise `OutputError` unless a file could be put at `path`. Whatever is there stays as it is."""
    if path is None:
        return
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    try:
        check_replaceable(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another path") from None


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, so that a reader finds the old file or the new one and never a part."""
    try:
        with replaced(path) as file:
            file.write(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; what was there is unchanged") from None


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write `record` as JSON, two spaces deep."""
    replace_file(path, (json.dumps(record, indent=2) + "\n").encode())
