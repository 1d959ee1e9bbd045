"""What all the pictures share: figures without matplotlib's global state, colours, axes in bytes, and saving.

A figure has an Agg canvas of its own and is drawn in matplotlib's default style: pyplot, its backend, a user's
matplotlibrc and styles set elsewhere in the process change nothing.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from checkpoint.output import OutputError, check_writable, is_stream, replace_file

MEASURED = "#111111"

SERIES = ("#1D3461", "#E08214", "#42897D", "#B279A2", "#7A3B1D", "#56B4E9", "#8C8C2B")


@contextmanager
def default_style() -> Iterator[None]:
    """Matplotlib's own style while a picture is made, whatever the process or a matplotlibrc has set."""
    with matplotlib.style.context("default"):
        yield


class Drawing(Figure):
    """A figure that a notebook shows without pyplot, which knows none but its own."""

    def _repr_png_(self) -> bytes:
        with default_style():
            return _png(self)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches; its axes keep clear of each other."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes, *, grid: str = "y") -> None:
    """Remove what carries no information; `grid` is the axis with values to read off, "x" or "y"."""
    axes.spines[["top", "right"]].set_visible(False)
    (axes.yaxis if grid == "y" else axes.xaxis).set_major_locator(MaxNLocator(nbins=5))
    axes.grid(axis=grid, color="#E5E5E5", linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """`places` moved apart until no two are nearer than `gap`, each as little as its neighbours allow, in their order.

    >>> spread([1.0, 5.0, 1.2], 0.5)
    [0.85, 5.0, 1.35]
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[tuple[list[int], float]] = []  # neighbours that touch, and their middle
    for index in order:
        members, middle = [index], places[index]
        while groups and middle - groups[-1][1] < gap * (len(members) + len(groups[-1][0])) / 2:
            before, _ = groups.pop()
            members = [*before, *members]
            middle = sum(places[member] for member in members) / len(members)
        groups.append((members, middle))
    moved = list(places)
    for members, middle in groups:
        for rank, member in enumerate(members):
            moved[member] = round(middle + gap * (rank - (len(members) - 1) / 2), 9)
    return moved


def check_drawable(*paths: Path | None) -> None:
    """Raise `OutputError` unless pictures can be drawn here and put at `paths`: asked before the work, not after.

    Pictures are PNGs, and so are the names of their files; pipes and devices may have any name.
    """
    wanted = [path for path in paths if path is not None]
    for path in wanted:
        check_writable(path)
        if path.suffix.lower() != ".png" and not is_stream(path):
            raise OutputError(f"cannot write {path}: pictures are PNGs; name a file that ends in .png")
    if not wanted:
        return
    try:
        with default_style():
            figure = new_figure(1, 1)
            figure.subplots().set_title("trial")
            _png(figure)
    except Exception as error:
        raise OutputError(
            f"cannot draw pictures here: {type(error).__name__}: {error}; reinstall matplotlib and Pillow"
        ) from error


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all."""
    with default_style():
        content = _png(figure)
    replace_file(path, content)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    return content.getvalue()
