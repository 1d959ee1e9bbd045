"""The picture of `analyze`: peak bytes against the number of hidden layers, formula, prediction and measurement."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint.drawing.canvas import SERIES, byte_scale, new_figure, plain_axes, save

if TYPE_CHECKING:
    from checkpoint.commands.analyze import Measured


def draw_growth(points: "Sequence[Measured]", path: Path, *, title: str) -> None:
    """Draw `points`, a line for each way, and write the PNG to `path`."""
    scale, unit = byte_scale(max(point.measured_bytes for point in points))
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    ways = list(dict.fromkeys(point.growth.way for point in points))
    for way, colour in zip(ways, SERIES, strict=False):
        of_way = [point for point in points if point.growth.way == way]
        depths = [point.growth.hidden_layers for point in of_way]
        name = {"none": "keep all"}.get(way, way)
        formula = [point.growth.formula_bytes / scale for point in of_way]
        predicted = [point.growth.predicted_bytes / scale for point in of_way]
        measured = [point.measured_bytes / scale for point in of_way]
        axes.plot(depths, formula, color=colour, linewidth=5, alpha=0.3)
        axes.plot(depths, predicted, color=colour, linewidth=1.2)
        axes.plot(depths, measured, color=colour, linestyle="none", marker="o", markersize=5)
        axes.annotate(f" {name}", (depths[-1], measured[-1]), color=colour, va="center")
    axes.plot([], [], color="#888888", linewidth=5, alpha=0.3, label="formula")
    axes.plot([], [], color="#888888", linewidth=1.2, label="predicted")
    axes.plot([], [], color="#888888", linestyle="none", marker="o", markersize=5, label="measured")
    axes.set(xlabel="hidden layers", ylabel=f"peak array bytes above rest, {unit}", xlim=(0, None), ylim=(0, None))
    axes.margins(x=0.12)
    axes.set_title(f"memory of one training step: {title}", loc="left")
    axes.legend(frameon=False)
    plain_axes(axes)
    save(figure, path)
