"""The arena: every array of a step as a rectangle, offset over action, and the room that is left."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from checkpoint.drawing.canvas import (
    BACKWARD,
    FORWARD,
    RECOMPUTE,
    byte_scale,
    default_style,
    new_figure,
    plain_axes,
    save,
)
from checkpoint.schedule.lifetimes import ACTIVATION, BIAS_GRADIENT, ERROR_PIECE, WEIGHT_GRADIENT
from checkpoint.schedule.placement import Placement
from checkpoint.schedule.schedule import Schedule

COLOURS = {ACTIVATION: FORWARD, WEIGHT_GRADIENT: BACKWARD, BIAS_GRADIENT: "#B279A2", ERROR_PIECE: RECOMPUTE}
NAMES = {
    ACTIVATION: "activation, then error",
    WEIGHT_GRADIENT: "weight gradient",
    BIAS_GRADIENT: "bias gradient",
    ERROR_PIECE: "piece of the error",
}
NAMED_ACTIONS = 60
"""Up to so many actions, they and the arrays are called by name."""
NAMED_PART = 0.03
"""The least part of the arena that has room for a name."""


def draw_arena(
    axes: Axes, schedule: Schedule, placement: Placement, *, budget_bytes: int | None = None, title: str = ""
) -> None:
    """Draw `placement`, that of a step of `schedule`, on `axes`; `budget_bytes` is a line."""
    scale, unit = byte_scale(placement.arena_bytes)
    few = len(schedule) <= NAMED_ACTIONS
    corners, colours = [], []
    for array, size, offset in zip(placement.arrays, placement.sizes, placement.offsets, strict=True):
        left, right, low, high = array.first, array.last + 1, offset / scale, (offset + size) / scale
        corners.append([(left, low), (right, low), (right, high), (left, high)])
        colours.append(COLOURS[array.kind])
        if few and size >= NAMED_PART * placement.arena_bytes:
            middle = (left + right) / 2, (low + high) / 2
            axes.annotate(str(array), middle, ha="center", va="center", fontsize=6, color="white")
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=0.4 if few else 0))
    lines = [("arena", placement.arena_bytes, "#888888", len(schedule), "right")]
    if budget_bytes is not None:
        lines.append(("budget", budget_bytes, "#E45756", 0, "left"))
    for name, amount, colour, at, side in lines:
        height = amount / scale
        axes.axhline(height, color=colour, linewidth=0.8)
        axes.annotate(f"{name} {height:.4g} {unit}", (at, height), ha=side, va="bottom", fontsize=8)
    if few:
        centres = [position + 0.5 for position in range(len(schedule))]
        axes.set_xticks(centres, [str(action) for action in schedule], rotation=90, fontsize=7)
    else:
        axes.set_xlabel(f"action, 1 to {len(schedule)}")
    highest = max(placement.arena_bytes, budget_bytes or 0) / scale
    axes.set(xlim=(0, len(schedule)), ylim=(0, highest * 1.15), ylabel=f"offset, {unit}")
    axes.set_title(title, fontsize=9, loc="left")
    plain_axes(axes)


def write_arena(
    path: Path, schedule: Schedule, placement: Placement, *, budget_bytes: int | None = None, title: str = ""
) -> None:
    """A picture of the arena, as a PNG; see `draw_arena`."""
    with default_style():
        figure = new_figure(11, 4.2)
        draw_arena(figure.subplots(), schedule, placement, budget_bytes=budget_bytes, title=title)
        drawn = {array.kind for array in placement.arrays}
        handles = [Patch(color=colour, label=NAMES[kind]) for kind, colour in COLOURS.items() if kind in drawn]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    save(figure, path)
