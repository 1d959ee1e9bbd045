"""How a network checkpoints, as text for a saved state, and back. Plain text and schedules; no arrays here.

The text may come from a file that is not trusted: schedules are read by `Schedule.from_json`, and `simulate` judges
them where they are used. A place to offload to is never taken from a file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkpoint.errors import CheckpointError, ScheduleError
from checkpoint.planning.budget import checked_budget
from checkpoint.planning.choice import Choice
from checkpoint.schedule.chain import MAX_ROWS, Chain
from checkpoint.schedule.schedule import Schedule
from mlp import StateError

MAX_CHARACTERS = 2**19
"""Room for schedules in a state. Plans that take more are made again; a schedule that does must be given again."""


def arguments_text(
    *, budget_bytes: int | str | None, schedule: Schedule | None, plans: Mapping[int, Schedule]
) -> dict[str, str]:
    """What `arguments_of` and `plans_of` read back: the schedule, or the budget and its plans by batch size."""
    text = {"class": "NetworkWithCheckpointing"}
    if schedule is not None:
        written = schedule.to_json()
        return text | {"schedule": written if len(written) <= MAX_CHARACTERS else ""}
    text["budget_bytes"] = str(budget_bytes)
    written = json.dumps([[batch_size, plan.to_json()] for batch_size, plan in plans.items()])
    return text | ({"plans": written} if len(written) <= MAX_CHARACTERS else {})


def arguments_of(text: Mapping[str, str], chain: Chain | None, path: Path) -> dict[str, Any]:
    """The arguments of `NetworkWithCheckpointing` that `text`, of the state at `path`, says; {} for a plain network.

    `chain`: that of a whole mini-batch, which states of format 1 need, as they say how a run chose its schedule.
    Raises `StateError` for text that says none.
    """
    if "schedule" in text:
        if not text["schedule"]:
            raise StateError("its schedule was too long to be saved; give it, as schedule", path=path)
        return {"schedule": _schedule(text["schedule"], path)}
    if "budget_bytes" in text:
        budget = text["budget_bytes"]
        if budget.isascii() and budget.isdigit() and len(budget) < 20:
            return {"budget_bytes": int(budget)}
        try:
            return {"budget_bytes": checked_budget(budget[:20])}
        except CheckpointError:
            raise StateError("its budget is no number of bytes; it is damaged, or made elsewhere", path=path) from None
    if "checkpoint" in text and chain is not None:
        choice = Choice(text["checkpoint"], text.get("budget"))
        if choice.path is not None:
            raise StateError("it names a file, which is not read for it; give its schedule", path=path)
        if choice.checkpoint == "optimal":
            return {"budget_bytes": choice.budget_bytes(chain)}
        return {"schedule": choice.schedule(chain)}
    return {}


def plans_of(text: Mapping[str, str], path: Path) -> dict[int, Schedule]:
    """The plans by batch size that `text` says. Raises `StateError` for text that says none."""
    try:
        plans = dict(json.loads(text.get("plans", "[]")))
    except (ValueError, TypeError, RecursionError):
        plans = {"": ""}
    if not all(type(rows) is int and 1 <= rows <= MAX_ROWS for rows in plans):
        raise StateError("its plans cannot be read; it is damaged, or made elsewhere", path=path)
    return {rows: _schedule(written, path) for rows, written in plans.items()}


def _schedule(text: str, path: Path) -> Schedule:
    try:
        return Schedule.from_json(text)
    except ScheduleError as error:
        raise StateError(f"its schedule cannot be read: {error}", path=path) from None
