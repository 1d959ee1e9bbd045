"""What all the pictures share: colours, axes in bytes, and how a picture is saved."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from checkpoint.output import replace_file

FORWARD, RECOMPUTE, BACKWARD = "#4C78A8", "#F58518", "#54A24B"
MEASURED, PREDICTED = "#222222", "#9ECAE9"
SERIES = ("#4C78A8", "#F58518", "#54A24B", "#B279A2", "#E45756", "#72B7B2", "#9D755D")

_SCALES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches; axes keep clear of each other."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def byte_scale(largest: float) -> tuple[int, str]:
    """The unit that `largest` bytes are best shown in: its bytes, and its name."""
    return next((scale, name) for scale, name in _SCALES if largest >= scale or scale == 1)


def plain_axes(axes: Axes) -> None:
    """Take away what does not carry information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    replace_file(path, content.getvalue())
