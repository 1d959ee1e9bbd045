"""Labels beside points, moved apart by adjustText. Knows no benchmark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

ITERATIONS = 2000
"""Bounds the search by its steps and not by its seconds, so that a picture is the same on a busy machine."""

POINTS_ALONG_A_LINE = 12


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the point (x, y) in the data's units; without text, a point that stays free."""

    x: float
    y: float
    text: str
    colour: str


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], *, fontsize: float = 8) -> list[Bbox]:
    """Write each label near its point, with a thin line to it where the label had to move; returns where, in pixels.

    Points and the lines already in `axes` stay free where there is room. Call it last: limits and layout must be final.
    """
    figure.draw_without_rendering()
    texts = [
        axes.text(label.x, label.y, label.text, fontsize=fontsize, color=label.colour) for label in labels if label.text
    ]
    named = [label for label in labels if label.text]
    free = [(label.x, label.y) for label in labels]
    free += [point for line in axes.lines if line.get_linestyle() != "None" for point in _along(axes, line)]
    adjust_text(
        texts,
        x=[x for x, _ in free],
        y=[y for _, y in free],
        target_x=[label.x for label in named],
        target_y=[label.y for label in named],
        ax=axes,
        force_text=(0.3, 0.5),
        iter_lim=ITERATIONS,
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "#999999"},
    )
    for text in texts:
        text.set_in_layout(False)
    return _boxes(texts)


def overlaps(boxes: Sequence[Bbox]) -> int:
    """How many pairs of boxes overlap."""
    return sum(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def _boxes(texts: Sequence[Text]) -> list[Bbox]:
    return [text.get_window_extent() for text in texts]


def _along(axes: Axes, line: Line2D) -> Iterator[tuple[float, float]]:
    """Points along a line, in the data's units, evenly spaced on the picture."""
    to_data = axes.transData.inverted()
    for (x, y), (to_x, to_y) in pairwise(line.get_transform().transform(line.get_xydata())):
        for step in range(POINTS_ALONG_A_LINE + 1):
            part = step / POINTS_ALONG_A_LINE
            found_x, found_y = to_data.transform((x + (to_x - x) * part, y + (to_y - y) * part))
            yield float(found_x), float(found_y)
