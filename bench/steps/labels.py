"""Labels beside points, moved apart by adjustText. Knows no benchmark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SETTINGS = [
    {"expand": (expand, expand + 0.3), "force_text": (push, 1.6 * push), "force_static": (0.6 * push, push)}
    for expand in (1.15, 1.3, 1.05)
    for push in (0.3, 0.6, 0.15, 1.0)
]
"""What adjustText is tried with, until no label covers anything: how far labels keep apart, and how hard they push."""

ITERATIONS = 600
"""Bounds each try by its steps and not by its seconds, so that a picture is the same on a busy machine."""

POINTS_ALONG_A_LINE = 12
MARKER_POINTS = 3.5
"""Half the width of what is drawn at a point."""


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
    markers = [_marker(axes, label) for label in labels]
    covered: dict[int, int] = {}
    for number, settings in enumerate(SETTINGS):
        texts, lines = _try(axes, labels, fontsize, settings)
        covered[number] = _covered(texts, markers)
        if not covered[number]:
            break
        _remove(texts, lines)
    else:
        texts, _ = _try(axes, labels, fontsize, SETTINGS[min(covered, key=lambda number: covered[number])])
    return [text.get_window_extent() for text in texts]


def overlaps(boxes: Sequence[Bbox]) -> int:
    """How many pairs of boxes overlap."""
    return sum(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def _try(
    axes: Axes, labels: Sequence[Label], fontsize: float, settings: dict[str, Any]
) -> tuple[list[Text], Sequence[Any]]:
    """Write the labels and move them apart; the texts, and the thin lines to their points."""
    named = [label for label in labels if label.text]
    texts = [axes.text(label.x, label.y, label.text, fontsize=fontsize, color=label.colour) for label in named]
    for text in texts:
        text.set_in_layout(False)  # or the axes would make room for a text that is still being moved
    free = [(label.x, label.y) for label in labels]
    free += [point for line in axes.lines if line.get_linestyle() != "None" for point in _along(axes, line)]
    _, lines = adjust_text(
        texts,
        x=[x for x, _ in free],
        y=[y for _, y in free],
        target_x=[label.x for label in named],
        target_y=[label.y for label in named],
        ax=axes,
        iter_lim=ITERATIONS,
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "#999999"},
        **settings,
    )
    for text in texts:
        _move_inside(axes, text)
    return texts, lines


def _covered(texts: Sequence[Text], markers: Sequence[Bbox]) -> int:
    """How many labels cover another one, or a marker."""
    boxes = [text.get_window_extent() for text in texts]
    return overlaps(boxes) + sum(box.overlaps(marker) for box in boxes for marker in markers)


def _remove(texts: Sequence[Text], lines: Sequence[Any]) -> None:
    for drawn in (*texts, *lines):
        drawn.remove()


def _marker(axes: Axes, label: Label) -> Bbox:
    x, y = axes.transData.transform((label.x, label.y))
    half = MARKER_POINTS * axes.figure.dpi / 72
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def _move_inside(axes: Axes, text: Text) -> None:
    """Take a text off the border, which adjustText may leave it on by a part of a pixel."""
    box, inside = text.get_window_extent(), axes.bbox.padded(-1)
    right = max(inside.x0 - box.x0, 0) - max(box.x1 - inside.x1, 0)
    up = max(inside.y0 - box.y0, 0) - max(box.y1 - inside.y1, 0)
    x, y = axes.transData.transform(text.get_position())
    to_x, to_y = axes.transData.inverted().transform((x + right, y + up))
    text.set_position((float(to_x), float(to_y)))


def _along(axes: Axes, line: Line2D) -> Iterator[tuple[float, float]]:
    """Points along a line, in the data's units, evenly spaced on the picture."""
    to_data = axes.transData.inverted()
    for (x, y), (to_x, to_y) in pairwise(line.get_transform().transform(line.get_xydata())):
        for step in range(POINTS_ALONG_A_LINE + 1):
            part = step / POINTS_ALONG_A_LINE
            found_x, found_y = to_data.transform((x + (to_x - x) * part, y + (to_y - y) * part))
            yield float(found_x), float(found_y)
