"""The front: peak against the cost of a step, and the well-known schedules marked where they lie."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from checkpoint.drawing.canvas import SERIES, default_style, new_figure, save
from checkpoint.palette import BUDGET
from checkpoint.planning.front import Front, FrontPoint
from checkpoint.planning.planned import Plan
from checkpoint.units import byte_scale

Places = tuple[list[float], list[float]]

MARKERS = "sD^v<>pPX*hd"
COST_TICKS = (1, 1.1, 1.2, 1.3, 1.4, 1.5, 2, 3, 5, 10, 30, 100, 300, 1000)
LINEAR_TO = 1.5
"""Times store all's cost: one more forward pass is a third of it, and the smallest peaks cost many times as much."""


def front_figure(front: Front, *, title: str, chosen: Plan | None = None) -> Figure:
    """The figure of a front and of the schedules marked beside it; `chosen` gets a ring."""
    with default_style():
        figure = new_figure(10, 5)
        axes = figure.subplots()
        scale, unit = byte_scale(min(point.peak_bytes for point in front.points))
        plans = [point for point in front.points if point.planned]
        places = partial(_places, scale=scale, whole=front.store_all.cost)
        axes.step(*places(plans), where="pre", color=SERIES[0], linewidth=1.2)
        for label, colour, blocked in (("whole mini-batches", SERIES[0], False), ("row blocks", SERIES[2], True)):
            of_kind = [plan for plan in plans if (plan.row_block is not None) == blocked]
            if of_kind:
                _dots(axes, places(of_kind), marker="o", markersize=6, zorder=3, color=colour, label=f"plans, {label}")
        for number, marks in enumerate(_alike(front.marks)):
            colour = SERIES[1 + number % (len(SERIES) - 1)]
            face = "white" if marks[0].dominated else colour
            style: dict[str, Any] = {"marker": MARKERS[number % len(MARKERS)], "markersize": 10, "markeredgewidth": 1.6}
            name = ", ".join(mark.name for mark in marks)
            _dots(axes, places(marks[:1]), **style, color=colour, markerfacecolor=face, label=name)
        if chosen is not None:
            ring: dict[str, Any] = {
                "markersize": 14,
                "markeredgewidth": 1.8,
                "color": BUDGET,
                "markerfacecolor": "none",
            }
            _dots(axes, places([chosen]), marker="o", **ring, label="this plan")
        _scales(axes, front, unit)
        axes.set_title(title, loc="left")
        note = "hollow: beaten by a plan\n(no more bytes, no more cost)"
        title_style: dict[str, Any] = {"title": note, "title_fontsize": 9, "alignment": "left"}
        figure.legend(loc="outside right upper", frameon=False, fontsize=9, **title_style)
    return figure


def write_front(front: Front, path: Path, *, title: str) -> None:
    """Write `front_figure` to `path` as a PNG."""
    save(front_figure(front, title=title), path)


def _places(points: Iterable[FrontPoint | Plan], *, scale: int, whole: float) -> Places:
    points = list(points)
    return [point.peak_bytes / scale for point in points], [point.cost / whole - 1 for point in points]


def _dots(axes: Axes, places: Places, **style: Any) -> None:
    axes.plot(*places, linestyle="none", **style)


def _alike(marks: Iterable[FrontPoint]) -> list[list[FrontPoint]]:
    """The marks, those that lie on one spot together: often one schedule under two names."""
    spots: dict[tuple[int, float], list[FrontPoint]] = {}
    for mark in marks:
        spots.setdefault((mark.peak_bytes, mark.cost), []).append(mark)
    return list(spots.values())


def _scales(axes: Axes, front: Front, unit: str) -> None:
    """Both axes, with room for whole markers at their ends."""
    most = max(point.cost for point in front.points) / front.store_all.cost
    axes.set_xscale("log", base=2)
    narrow = max(point.peak_bytes for point in front.points) < 8 * min(point.peak_bytes for point in front.points)
    axes.xaxis.set_major_locator(LogLocator(base=2, subs=(1, 1.5) if narrow else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yscale("symlog", linthresh=LINEAR_TO - 1)  # of what is added to store all's
    axes.margins(x=0.06)
    axes.set_ylim(-0.03, 1.1 * (LINEAR_TO - 1) if most <= LINEAR_TO else (most - 1) * 1.35)
    ticks = [tick for tick in COST_TICKS if tick <= max(LINEAR_TO, most * 1.2)]
    axes.set_yticks([tick - 1 for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"peak array bytes above rest, {unit} (logarithmic)")
    above = f"\n(linear to {LINEAR_TO}, above logarithmic)" if most > LINEAR_TO else ""
    axes.set_ylabel(f"cost of a step, store all's is 1{above}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
