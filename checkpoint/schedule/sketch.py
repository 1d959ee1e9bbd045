"""What a notebook shows of a schedule on its own: its actions counted, and which activations are held when.

Its layers are taken to be one unit wide, as a schedule knows no widths.
"""

from collections import Counter
from html import escape
from typing import Protocol

from checkpoint.schedule.actions import Action
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.columns import columns_and_cells
from checkpoint.schedule.holding import Refused
from checkpoint.schedule.spans import MOST_ACTIONS, Walk, walk
from checkpoint.schedule.svg import MOST_CELLS, MOST_COLUMNS, step_svg
from checkpoint.units import counted


class Sketched(Protocol):
    """What is shown: a `Schedule`."""

    @property
    def n_layers(self) -> int: ...
    @property
    def actions(self) -> tuple[Action, ...]: ...
    @property
    def batch_size(self) -> int | None: ...
    @property
    def name(self) -> str: ...


def schedule_summary(schedule: Sketched) -> str:
    """The actions of `schedule` counted by kind, and the most activations held at once; or why these are not known."""
    return _summary(schedule, _walk(schedule))


def schedule_html(schedule: Sketched) -> str:
    """The summary, and below it the layers over the actions."""
    found = _walk(schedule)
    text = f"<pre>{escape(_summary(schedule, found))}</pre>"
    if isinstance(found, str):
        return text
    columns, cells = columns_and_cells(schedule.actions, found, most_columns=MOST_COLUMNS, most_cells=MOST_CELLS)
    return text + step_svg(columns, cells, n_layers=schedule.n_layers)


def _summary(schedule: Sketched, found: Walk | str) -> str:
    layers = counted(schedule.n_layers, "layer")
    rows = "" if schedule.batch_size is None else f", {counted(schedule.batch_size, 'row')}"
    head = f"{schedule.name or 'a schedule'}: {layers}{rows}, {counted(len(schedule.actions), 'action')}"
    if isinstance(found, str):
        return f"{head}\n{found}"
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in Counter(found.kinds).items())
    return f"{head}\n{kinds}\nat most {counted(found.most_held, 'activation')} held at once"


def _walk(schedule: Sketched) -> Walk | str:
    """What the schedule is and holds, or why that is not known."""
    if len(schedule.actions) > MOST_ACTIONS:
        return "these are too many to show which activations are held when"
    widths = (1,) * (schedule.n_layers + 1)
    rows = max([schedule.batch_size or 1, *(action.rows[1] for action in schedule.actions if action.rows)])
    try:
        return walk(schedule.actions, Chain(widths, rows))
    except Refused as refusal:
        return f"it cannot be run: {refusal}"
