"""Schedules and chains in files: those of `plan --save-schedule`, `train --checkpoint` and `plan --chain`."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from checkpoint.errors import CheckpointError, ScheduleError
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.schedule import Schedule

MAX_BYTES = 2**30

Read = TypeVar("Read")


def read_schedule(path: str | Path) -> Schedule:
    """The schedule in the file at `path`. Raises `ScheduleError`, with the path, for a file that holds none."""
    try:
        return _read(Path(path), "schedule", Schedule.from_json)
    except CheckpointError as error:
        raise ScheduleError(str(error)) from None


def read_chain(path: str | Path) -> GeneralChain:
    """The chain in the file at `path`. Raises `CheckpointError`, with the path, for a file that holds none."""
    return _read(Path(path), "chain", GeneralChain.from_json)


def _read(path: Path, what: str, from_json: Callable[[str], Read]) -> Read:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot read the {what} {path}: {reason}; name a JSON file that holds one") from None
    if len(content) > MAX_BYTES:
        raise CheckpointError(f"{path} holds more than {MAX_BYTES} bytes, which no {what} takes")
    try:
        return from_json(content.decode())
    except UnicodeDecodeError:
        raise CheckpointError(f"{path} holds no {what}: it is not text") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path} holds no {what}: {error}") from None
