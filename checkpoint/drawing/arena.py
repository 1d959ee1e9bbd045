"""The arena: every array of a step as a rectangle, its bytes over the actions that it lives for, and the room left."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from checkpoint.drawing.canvas import SERIES, default_style, new_figure, plain_axes, save
from checkpoint.drawing.timeline import NAMED_ACTIONS
from checkpoint.palette import BUDGET, OUTLINE
from checkpoint.schedule.columns import counted_actions
from checkpoint.schedule.lifetimes import (
    ACTIVATION,
    BIAS_GRADIENT,
    ERROR_PIECE,
    FORWARD,
    KEPT,
    WEIGHT_GRADIENT,
    WORKSPACE,
)
from checkpoint.schedule.placement import Placement
from checkpoint.schedule.schedule import Schedule
from checkpoint.units import byte_scale

COLOURS = {ACTIVATION: SERIES[0], WEIGHT_GRADIENT: SERIES[2], BIAS_GRADIENT: SERIES[3], ERROR_PIECE: SERIES[1]}
COLOURS |= {FORWARD: SERIES[2], WORKSPACE: SERIES[3], KEPT: SERIES[1]}  # of chains that have none of these gradients
NAMES = {
    ACTIVATION: "activation, then error",
    WEIGHT_GRADIENT: "weight gradient",
    BIAS_GRADIENT: "bias gradient",
    ERROR_PIECE: "piece of the error",
    FORWARD: "what a layer works in, forward",
    WORKSPACE: "what it works in, backward",
    KEPT: "output kept beside the error",
}
WIDTH_INCHES, HEIGHT_INCHES = 11, 4.2
LINE_SHARE = 0.05
"""The height of a line of text, as a share of the axis."""
CHARACTERS = 230
"""What fits on the axis, in characters of a rectangle's name."""


class _Array(NamedTuple):
    """A rectangle: its name and colour, from action `left` to action `right`, from byte `low` to byte `high`."""

    name: str
    colour: str
    left: int
    right: int
    low: float
    high: float


def arena_figure(
    schedule: Schedule, placement: Placement, *, budget_bytes: int | None = None, title: str = ""
) -> Figure:
    """The figure of `placement`, that of a step of `schedule`; the arena and `budget_bytes` are lines."""
    top = max(placement.arena_bytes, budget_bytes or 0)
    scale, unit = byte_scale(top)
    shown = counted_actions(schedule)
    arrays = _arrays(schedule, placement, scale)
    lines: list[tuple[str, int, str, Literal["-", "--"]]] = [("arena", placement.arena_bytes, OUTLINE, "--")]
    if budget_bytes is not None:
        lines.append(("budget", budget_bytes, BUDGET, "-"))
    drawn = {array.kind for array in placement.arrays}
    handles: list[Patch | Line2D] = [Patch(color=COLOURS[kind], label=NAMES[kind]) for kind in NAMES if kind in drawn]
    with default_style():
        figure = new_figure(WIDTH_INCHES, HEIGHT_INCHES)
        axes = figure.subplots()
        corners = [((a.left, a.low), (a.right, a.low), (a.right, a.high), (a.left, a.high)) for a in arrays]
        few = len(shown) <= NAMED_ACTIONS
        edges: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.4 if few else 0}
        axes.add_collection(PolyCollection(corners, facecolors=[array.colour for array in arrays], **edges))
        for name, amount, colour, style in lines:
            axes.axhline(amount / scale, color=colour, linewidth=1.2, linestyle=style)
            label = f"{name} {amount / scale:.4g} {unit}"
            handles.append(Line2D([], [], color=colour, linewidth=1.2, linestyle=style, label=label))
        axes.set(xlim=(0, len(shown)), ylim=(0, top / scale * 1.06), ylabel=f"place in the arena, {unit}")
        plain_axes(axes)
        if few:
            _name(axes, arrays, len(shown), top / scale)
            ticks = [place + 0.5 for place in range(len(shown))]
            axes.set_xticks(ticks, [str(schedule.actions[place]) for place in shown], rotation=90, fontsize=7)
        else:
            axes.set_xlabel(f"action, 1 to {len(shown)} (releases not counted)")
        axes.set_title(title, fontsize=9, loc="left")
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def write_arena(
    path: Path, schedule: Schedule, placement: Placement, *, budget_bytes: int | None = None, title: str = ""
) -> None:
    """Write `arena_figure` to `path` as a PNG."""
    save(arena_figure(schedule, placement, budget_bytes=budget_bytes, title=title), path)


def _arrays(schedule: Schedule, placement: Placement, scale: int) -> list[_Array]:
    # A release is no work: it is drawn as part of the action before it.
    column, columns = -1, []
    counted = set(counted_actions(schedule))
    for position in range(len(schedule)):
        column += position in counted
        columns.append(column)
    return [
        _Array(
            str(array),
            COLOURS[array.kind],
            columns[array.first],
            columns[array.last] + 1,
            offset / scale,
            (offset + size) / scale,
        )
        for array, size, offset in zip(placement.arrays, placement.sizes, placement.offsets, strict=True)
    ]


def _name(axes: Axes, arrays: list[_Array], actions: int, top: float) -> None:
    """Write the name of each array into its rectangle, where there is room for it."""
    for array in arrays:
        room = (array.right - array.left) / actions * CHARACTERS
        if array.high - array.low >= LINE_SHARE * top and room >= len(array.name):
            middle = (array.left + array.right) / 2, (array.low + array.high) / 2
            axes.annotate(array.name, middle, ha="center", va="center", fontsize=6, color="white")
