"""The timeline: bytes after each action of a step, predicted and measured; forward, recompute and backward apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from checkpoint.drawing.canvas import MEASURED, default_style, new_figure, plain_axes, save
from checkpoint.palette import BACKWARD, BUDGET, FORWARD, OUTLINE, RECOMPUTE
from checkpoint.schedule.actions import Backward
from checkpoint.schedule.columns import counted_actions
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation
from checkpoint.units import byte_scale

NAMED_ACTIONS = 60
"""Up to this many actions each has its name below it; more are numbered."""

MOST_PANELS_ON_A_LINE = 4
PEAK: dict[str, Any] = {"color": OUTLINE, "linewidth": 0.8, "linestyle": "--"}


@dataclass(frozen=True, slots=True)
class Timeline:
    """What one timeline shows: a schedule and its simulation, and bytes measured after each action, if they were."""

    title: str
    schedule: Schedule
    simulation: Simulation
    measured: Sequence[int] = ()
    budget_bytes: int | None = None


def timeline_figure(timeline: Timeline) -> Figure:
    """The figure of one timeline."""
    with default_style():
        figure = new_figure(11, 4.2)
        scale, unit = _draw(figure.subplots(), timeline)
        handles = _legend([timeline])
        handles[-1].set_label(f"peak {timeline.simulation.peak_bytes / scale:.4g} {unit}")
        if timeline.budget_bytes is not None:
            label = f"budget {timeline.budget_bytes / scale:.4g} {unit}"
            handles.append(Line2D([], [], color=BUDGET, linewidth=1.2, label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def timelines_figure(cases: Sequence[Sequence[Timeline]]) -> Figure:
    """The figure of several timelines: those of a case beside and below each other, on one scale."""
    most = max(len(case) for case in cases)
    columns = -(-most // -(-most // MOST_PANELS_ON_A_LINE))
    lines = [(case, case[start : start + columns]) for case in cases for start in range(0, len(case), columns)]
    with default_style():
        figure = new_figure(4.4 * columns, 3.1 * len(lines) + 0.4)
        panels = figure.subplots(len(lines), columns, squeeze=False)
        for row, (case, line) in zip(panels, lines, strict=True):
            for axes in row[len(line) :]:
                axes.set_visible(False)
            largest = max(timeline.simulation.peak_bytes for timeline in case)
            for axes, timeline in zip(row, line, strict=False):
                scale, unit = _draw(axes, timeline, largest=largest)
                peak = timeline.simulation.peak_bytes / scale
                axes.set_title(f"{timeline.title}\npeak {peak:.4g} {unit}", fontsize=9, loc="left")
        handles = _legend([timeline for case in cases for timeline in case])
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def write_timeline(timeline: Timeline, path: Path) -> None:
    """Write `timeline_figure` to `path` as a PNG."""
    save(timeline_figure(timeline), path)


def write_timelines(cases: Sequence[Sequence[Timeline]], path: Path) -> None:
    """Write `timelines_figure` to `path` as a PNG."""
    save(timelines_figure(cases), path)


def _draw(axes: Axes, timeline: Timeline, *, largest: int | None = None) -> tuple[int, str]:
    """Draw a timeline up to `largest` bytes, its own peak by default; returns the unit, in bytes and by name."""
    schedule, simulation = timeline.schedule, timeline.simulation
    top = max(largest or simulation.peak_bytes, timeline.budget_bytes or 0)
    scale, unit = byte_scale(top)
    # A release is no work: it is drawn as part of the action before it.
    shown = counted_actions(schedule)
    ends = [place - 1 for place in shown[1:]] + [len(schedule) - 1]
    edges = list(range(len(shown) + 1))
    centres = [edge + 0.5 for edge in edges[:-1]]
    colours = [_colour(timeline, place) for place in shown]
    after = [simulation.bytes_after[place] / scale for place in ends]
    for colour in (FORWARD, RECOMPUTE, BACKWARD):
        heights = [value if of == colour else 0.0 for value, of in zip(after, colours, strict=True)]
        axes.stairs(heights, edges, fill=True, color=colour, linewidth=0)
    # The thin line is the most while an action runs: its workspace on top of what is held.
    during = [simulation.peaks[place] / scale for place in shown]
    axes.stairs(during, edges, color=OUTLINE, linewidth=0.6, baseline=None)
    axes.axhline(simulation.peak_bytes / scale, **PEAK)
    if timeline.budget_bytes is not None:
        axes.axhline(timeline.budget_bytes / scale, color=BUDGET, linewidth=1.2)
    if timeline.measured:
        heights = [timeline.measured[place] / scale for place in ends]
        size = 3.5 if len(shown) <= NAMED_ACTIONS else 2 if len(shown) <= 3 * NAMED_ACTIONS else 1.2
        axes.plot(centres, heights, "o", markersize=size, markeredgewidth=0, color=MEASURED, clip_on=False)
    axes.set(xlim=(0, len(shown)), ylim=(0, top / scale * 1.06), ylabel=f"array bytes above rest, {unit}")
    axes.set_title(timeline.title, fontsize=9, loc="left")
    plain_axes(axes)
    if len(shown) <= NAMED_ACTIONS:
        axes.set_xticks(centres, [str(schedule.actions[place]) for place in shown], rotation=90, fontsize=7)
    else:
        axes.set_xlabel(f"action, 1 to {len(shown)} (releases not counted)")
    return scale, unit


def _colour(timeline: Timeline, place: int) -> str:
    if isinstance(timeline.schedule.actions[place], Backward):
        return BACKWARD
    return RECOMPUTE if timeline.simulation.recomputed[place] else FORWARD


def _legend(timelines: Sequence[Timeline]) -> list[Patch | Line2D]:
    """What the marks that these timelines have mean; that of the peak comes last."""
    handles: list[Patch | Line2D] = [Patch(color=FORWARD, label="forward")]
    if any(any(timeline.simulation.recomputed) for timeline in timelines):
        handles.append(Patch(color=RECOMPUTE, label="recompute"))
    handles.append(Patch(color=BACKWARD, label="backward"))
    handles.append(Line2D([], [], color=OUTLINE, linewidth=0.6, label="most during the action"))
    if any(timeline.measured for timeline in timelines):
        handles.append(Line2D([], [], color=MEASURED, linestyle="none", marker="o", markersize=3.5, label="measured"))
    handles.append(Line2D([], [], label="peak", **PEAK))
    return handles
