"""A schedule in a file, as `plan --save-schedule` writes it and `train --checkpoint FILE.json` follows it."""

from pathlib import Path

from checkpoint.errors import ScheduleError
from checkpoint.schedule.schedule import Schedule

MAX_BYTES = 2**30


def read_schedule(path: str | Path) -> Schedule:
    """The schedule in the file at `path`. Raises `ScheduleError`, with the path, for a file that holds none."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ScheduleError(f"cannot read the schedule {path}: {reason}; write one with plan --save-schedule") from None
    if len(content) > MAX_BYTES:
        raise ScheduleError(f"{path} holds more than {MAX_BYTES} bytes, which no schedule takes")
    try:
        return Schedule.from_json(content.decode())
    except (UnicodeDecodeError, ScheduleError) as error:
        reason = str(error) if isinstance(error, ScheduleError) else "it is not text"
        raise ScheduleError(f"{path} holds no schedule: {reason}") from None
