"""The timeline: bytes after each action of a step, predicted and measured; forward, recompute and backward apart."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from checkpoint.drawing.canvas import BACKWARD, FORWARD, MEASURED, RECOMPUTE, byte_scale, new_figure, plain_axes, save
from checkpoint.schedule.actions import Backward, Release
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation

MARKED_ACTIONS = 60
"""Up to so many actions each measurement is a dot; beyond that they are a line."""


def draw_timeline(
    axes: Axes,
    schedule: Schedule,
    simulation: Simulation,
    *,
    measured: Sequence[int] = (),
    budget_bytes: int | None = None,
    title: str = "",
) -> None:
    """Draw `simulation` of `schedule` on `axes`; `measured` are bytes after each action, `budget_bytes` a line."""
    scale, unit = byte_scale(simulation.peak_bytes)
    # A release is no work: it is drawn as part of the action before it.
    shown = [place for place, action in enumerate(schedule) if not isinstance(action, Release)]
    ends = [place - 1 for place in shown[1:]] + [len(schedule) - 1]
    edges = list(range(len(shown) + 1))
    colours = [
        BACKWARD
        if isinstance(schedule.actions[place], Backward)
        else RECOMPUTE
        if simulation.recomputed[place]
        else FORWARD
        for place in shown
    ]
    after = [simulation.bytes_after[place] / scale for place in ends]
    peaks = [simulation.peaks[place] / scale for place in shown]
    for colour in (FORWARD, RECOMPUTE, BACKWARD):
        heights = [value if of == colour else 0.0 for value, of in zip(after, colours, strict=True)]
        axes.stairs(heights, edges, fill=True, color=colour, linewidth=0)
    # The thin line is the most while an action runs: its workspace on top of what is held.
    axes.stairs(peaks, edges, color="#888888", linewidth=0.6, baseline=None)
    axes.axhline(simulation.peak_bytes / scale, color="#888888", linewidth=0.8, linestyle="--")
    axes.annotate(
        f"peak {simulation.peak_bytes / scale:.4g} {unit}",
        (len(shown), simulation.peak_bytes / scale),
        ha="right",
        va="bottom",
        fontsize=8,
    )
    if budget_bytes is not None:
        axes.axhline(budget_bytes / scale, color="#E45756", linewidth=0.8)
        axes.annotate(f"budget {budget_bytes / scale:.4g} {unit}", (0, budget_bytes / scale), va="bottom", fontsize=8)
    if measured:
        centres = [edge + 0.5 for edge in edges[:-1]]
        heights = [measured[place] / scale for place in ends]
        if len(shown) <= MARKED_ACTIONS:
            axes.plot(centres, heights, linestyle="none", marker="o", markersize=3, color=MEASURED)
        else:
            axes.plot(centres, heights, linewidth=0.5, color=MEASURED)
    if len(shown) <= MARKED_ACTIONS:
        axes.set_xticks(
            [edge + 0.5 for edge in edges[:-1]],
            [str(schedule.actions[place]) for place in shown],
            rotation=90,
            fontsize=7,
        )
    else:
        axes.set_xlabel(f"action, 1 to {len(shown)}")
    highest = max(simulation.peak_bytes, budget_bytes or 0) / scale
    axes.set(xlim=(0, len(shown)), ylim=(0, highest * 1.15), ylabel=unit)
    axes.set_title(title, fontsize=9, loc="left")
    plain_axes(axes)


def legend_handles(*, measured: bool) -> list[Patch | Line2D]:
    """What the colours of a timeline mean."""
    handles: list[Patch | Line2D] = [
        Patch(color=FORWARD, label="forward"),
        Patch(color=RECOMPUTE, label="recompute"),
        Patch(color=BACKWARD, label="backward"),
        Line2D([], [], color="#888888", linewidth=0.8, label="most during the action"),
    ]
    if measured:
        handles.append(Line2D([], [], color=MEASURED, linewidth=0.8, marker="o", markersize=3, label="measured"))
    return handles


def write_timeline(
    path: Path,
    schedule: Schedule,
    simulation: Simulation,
    *,
    measured: Sequence[int] = (),
    budget_bytes: int | None = None,
    title: str = "",
) -> None:
    """A picture of one timeline, as a PNG; see `draw_timeline`."""
    figure = new_figure(11, 4.2)
    axes = figure.subplots()
    draw_timeline(axes, schedule, simulation, measured=measured, budget_bytes=budget_bytes, title=title)
    figure.legend(
        handles=legend_handles(measured=bool(measured)), loc="outside lower center", ncols=5, frameon=False, fontsize=9
    )
    save(figure, path)


def write_timelines(path: Path, timelines: Sequence[Sequence[tuple[str, Schedule, Simulation, Sequence[int]]]]) -> None:
    """A picture of several timelines, a line of panels for each: title, schedule, simulation, bytes measured."""
    figure = new_figure(5 * max(len(line) for line in timelines), 3.2 * len(timelines))
    panels = figure.subplots(len(timelines), max(len(line) for line in timelines), squeeze=False)
    for row, line in zip(panels, timelines, strict=True):
        for axes in row[len(line) :]:
            axes.set_visible(False)
        for axes, (title, schedule, simulation, measured) in zip(row, line, strict=False):
            draw_timeline(axes, schedule, simulation, measured=measured, title=title)
        highest = max(axes.get_ylim()[1] for axes in row[: len(line)])
        for axes in row[: len(line)]:
            if axes.get_ylabel() == row[0].get_ylabel():  # the same unit: the same height is the same bytes
                axes.set_ylim(0, highest)
    figure.legend(handles=legend_handles(measured=True), loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    save(figure, path)
