"""Labels beside points, where they cover neither each other nor a point nor leave the axes. Knows no benchmark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

MARKER_POINTS = 4.5
"""Half the width of what is drawn at a point, and a little air."""

RINGS = (7.0, 14.0, 22.0, 32.0, 44.0, 58.0, 74.0, 92.0)
"""How far from its point a label may begin, in points, nearest first."""

DIRECTIONS = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the point (x, y) in data's units; without text, a point that is to stay free."""

    x: float
    y: float
    text: str
    colour: str


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], *, fontsize: float = 8) -> list[Bbox]:
    """Write each label at the nearest free place, with a thin line to its point where that is not beside it.

    The lines that `axes` has already are kept free too. Call it last: limits and layout must be what they will be.
    Returns where the labels are, in pixels. Where nothing is free the nearest place inside the axes is taken, for which
    `overlaps` looks.
    """
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    points = [axes.transData.transform((label.x, label.y)) for label in labels]
    half = MARKER_POINTS * scale
    markers = [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in points]
    lines = [box for line in axes.lines if line.get_linestyle() != "None" for box in _along(line)]
    inside = axes.bbox.padded(-MARKER_POINTS * scale)
    placed: list[Bbox] = []
    ties: list[Bbox] = []
    for label, (x, y) in zip(labels, points, strict=True):
        if not label.text:
            continue
        size = _size(axes, label.text, fontsize)
        box = _free(x, y, size, scale, inside, [*markers, *lines, *placed, *ties], [*markers, *placed])
        placed.append(box)
        end = _nearest(box, x, y)
        style = None
        if max(abs(end[0] - x), abs(end[1] - y)) > RINGS[0] * scale + 1:
            corner = ((end[0] - box.x0) / box.width, (end[1] - box.y0) / box.height)
            style = {"arrowstyle": "-", "linewidth": 0.6, "color": label.colour, "relpos": corner, "shrinkA": 0}
            ties += _between((x, y), end)
        written = axes.annotate(
            label.text,
            (label.x, label.y),
            ((box.x0 - x) / scale, (box.y0 - y) / scale),
            textcoords="offset points",
            fontsize=fontsize,
            color=label.colour,
            arrowprops=style,
        )
        written.set_in_layout(False)
    return placed


def overlaps(boxes: Sequence[Bbox]) -> int:
    """How many pairs of boxes cover each other."""
    return sum(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def _size(axes: Axes, text: str, fontsize: float) -> Bbox:
    """What a text takes, in pixels."""
    probe = axes.text(0, 0, text, fontsize=fontsize, transform=None)
    size = probe.get_window_extent()
    probe.remove()
    return size


def _free(
    x: float, y: float, size: Bbox, scale: float, inside: Bbox, taken: Sequence[Bbox], crossed: Sequence[Bbox]
) -> Bbox:
    """The nearest box for a text of the point (x, y) that covers nothing `taken`, its tie nothing `crossed`.

    Where points crowd there may be none whose tie is clear: then one that is clear itself.
    """
    candidates = [box for box in _around(x, y, size.width, size.height, scale) if _contains(inside, box)]
    clear = [box for box in candidates if not any(box.overlaps(other) for other in taken)]
    others = [other for other in crossed if not other.contains(x, y)]
    for box in clear:
        tie = _between((x, y), _nearest(box, x, y))
        if not any(part.overlaps(other) for part in tie for other in others):
            return box
    return next(iter([*clear, *candidates]), Bbox.from_bounds(x, y, size.width, size.height))


def _around(x: float, y: float, width: float, height: float, scale: float) -> Iterator[Bbox]:
    for ring in RINGS:
        away = ring * scale
        for right, up in DIRECTIONS:
            left = x + away if right > 0 else x - away - width if right < 0 else x - width / 2
            # Beside the point a text stands level with it; from the second ring on, a corner is as far up as out.
            rise = away if not right or ring > RINGS[0] else height / 2
            bottom = y - height / 2 if not up else y + rise if up > 0 else y - rise - height
            yield Bbox.from_bounds(left, bottom, width, height)


def _along(line: Line2D) -> Iterator[Bbox]:
    """Small boxes along a line."""
    for start, end in pairwise(line.get_transform().transform(line.get_xydata())):
        yield from _between(start, end)


def _between(start: Sequence[float], end: Sequence[float]) -> Iterator[Bbox]:
    """Small boxes on the way from one pixel to another."""
    (x, y), (to_x, to_y) = start, end
    steps = max(int(max(abs(to_x - x), abs(to_y - y)) / 4), 1)
    for step in range(steps + 1):
        at_x, at_y = x + (to_x - x) * step / steps, y + (to_y - y) * step / steps
        yield Bbox.from_extents(at_x - 1, at_y - 1, at_x + 1, at_y + 1)


def _nearest(box: Bbox, x: float, y: float) -> tuple[float, float]:
    """The place of the box that is nearest to (x, y)."""
    return float(max(box.x0, min(x, box.x1))), float(max(box.y0, min(y, box.y1)))


def _contains(outer: Bbox, box: Bbox) -> bool:
    return cast(bool, outer.x0 <= box.x0 and box.x1 <= outer.x1 and outer.y0 <= box.y0 and box.y1 <= outer.y1)
