"""The picture of `analyze`: peak bytes against the number of hidden layers, formula, prediction and measurement."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from checkpoint.drawing.canvas import SERIES, default_style, new_figure, plain_axes, save, spread
from checkpoint.palette import OUTLINE
from checkpoint.planning.growth import Growth
from checkpoint.units import byte_scale

LINE_SHARE = 0.055
"""The height of a line of text, as a share of the axis."""

FORMULA: dict[str, Any] = {"linewidth": 5, "alpha": 0.3}
PREDICTED: dict[str, Any] = {"linewidth": 1.2}
MEASURED: dict[str, Any] = {"linestyle": "none", "marker": "o"}
LARGEST_DOT, SMALLER = 8, 1.6
"""Points: where ways take the same bytes their dots lie on one another, the later and smaller ones on top."""


def growth_figure(points: Sequence[Growth], *, title: str) -> Figure:
    """The figure of `points`: a line for each way, named at its end."""
    largest = max(max(point.predicted_bytes, point.formula_bytes) for point in points)
    scale, unit = byte_scale(largest)
    ways = list(dict.fromkeys(point.way for point in points))
    with default_style():
        figure = new_figure(8, 4.8)
        axes = figure.subplots()
        ends = {}
        for rank, (way, colour) in enumerate(zip(ways, SERIES, strict=False)):
            of_way = [point for point in points if point.way == way]
            depths = [point.hidden_layers for point in of_way]
            axes.plot(depths, [point.formula_bytes / scale for point in of_way], color=colour, **FORMULA)
            axes.plot(depths, [point.predicted_bytes / scale for point in of_way], color=colour, **PREDICTED)
            dots = [(point.hidden_layers, point.measured_bytes / scale) for point in of_way if point.measured_bytes]
            axes.plot(
                [depth for depth, _ in dots],
                [peak for _, peak in dots],
                color=colour,
                markersize=LARGEST_DOT - SMALLER * rank,
                **MEASURED,
            )
            last = max(of_way, key=lambda point: point.hidden_layers)
            ends[way] = (last.name, colour, last.predicted_bytes / scale)
        deepest = max(point.hidden_layers for point in points)
        top = largest / scale * 1.08
        heights = spread([height for _, _, height in ends.values()], LINE_SHARE * top)
        for (name, colour, _), height in zip(ends.values(), heights, strict=True):
            axes.annotate(f"  {name}", (deepest * 1.02, max(height, LINE_SHARE * top / 2)), color=colour, va="center")
        axes.plot([], [], color=OUTLINE, label="formula", **FORMULA)
        axes.plot([], [], color=OUTLINE, label="predicted", **PREDICTED)
        if any(point.measured_bytes for point in points):
            axes.plot([], [], color=OUTLINE, label="measured", markersize=5, **MEASURED)
        axes.set(xlabel="hidden layers", ylabel=f"peak array bytes above rest, {unit}")
        axes.set(xlim=(0, deepest * 1.02), ylim=(0, top))
        axes.set_title(f"memory of one training step: {title}", loc="left")
        axes.legend(frameon=False, loc="upper left")
        plain_axes(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def write_growth(points: Sequence[Growth], path: Path, *, title: str) -> None:
    """Write `growth_figure` to `path` as a PNG."""
    save(growth_figure(points, title=title), path)
