"""Schedules and chains in files: those of `plan --save-schedule`, `train --checkpoint` and `plan --chain`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from checkpoint.errors import CheckpointError, ScheduleError
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.schedule import Schedule, parsed
from checkpoint.schedule.simulation import simulate
from checkpoint.units import format_bytes
from mlp.errors import one_line

MAX_BYTES = 2**30

Read = TypeVar("Read")


def read_schedule(path: str | Path) -> Schedule:
    """The schedule in the file at `path`. Raises `ScheduleError`, with the path, for a file that holds none."""
    try:
        return _read(Path(path), "schedule", Schedule.from_json)
    except CheckpointError as error:
        raise ScheduleError(str(error)) from None


def written(schedule: Schedule, chain: Chain) -> str:
    """`schedule` as JSON, with what it was planned for: `chain`, and the bytes that it takes there."""
    made_for = {"title": chain.title, "peak_bytes": simulate(schedule, chain).peak_bytes}
    return json.dumps({**schedule.as_record(), "made_for": made_for})


def said_of_file(path: str | Path, chain: Chain) -> str:
    """A line that says what the schedule in the file at `path` was made for, where that is not `chain`; else "".

    Raises `ScheduleError` for a file that holds none, and for a schedule that cannot be followed on `chain`.
    """
    schedule, made_for = _read(Path(path), "schedule", _with_origin)
    peak_bytes = simulate(schedule, chain).peak_bytes
    known = made_for if isinstance(made_for, dict) else {}
    title, planned_bytes = known.get("title"), known.get("peak_bytes")
    if not isinstance(title, str) or type(planned_bytes) is not int:
        if schedule.batch_size in (None, getattr(chain, "batch_size", None)):
            return ""
        title, planned_bytes = f"mini-batches of {schedule.batch_size} rows", peak_bytes
    if (title, planned_bytes) == (chain.title, peak_bytes):
        return ""
    there = f" and {format_bytes(planned_bytes)}" if planned_bytes != peak_bytes else ""
    return (
        f"{path} was made for {one_line(title, limit=80)}{there}; followed on {chain.title} it takes "
        f"{format_bytes(peak_bytes)}, and is not the best for it\n"
    )


def _with_origin(text: str) -> tuple[Schedule, object]:
    """The schedule that a file's text is, and what it says of what that was made for."""
    record = parsed(text)
    return Schedule.from_record(record), record.get("made_for") if isinstance(record, dict) else None


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
