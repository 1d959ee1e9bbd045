"""What a reader's eye would find wrong in a figure: texts that overlap or are cut off, colours that look alike."""

from collections.abc import Iterator
from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
"""Linear RGB as it is seen without long-wave cones (Machado, Oliveira and Fernandes 2009, severity 1)."""


def texts_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is drawn, and where, in pixels."""
    figure.draw_without_rendering()
    hidden = {id(text) for axes in figure.axes for text in _hidden(axes)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in texts if id(text) not in hidden]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """The pairs of texts that cover each other."""
    return [
        (one, other)
        for (one, box), (other, other_box) in combinations(texts_of(figure), 2)
        if box.overlaps(other_box.padded(-1))
    ]


def cut_off(figure: Figure) -> list[str]:
    """The texts that reach over the figure's edge."""
    edge = figure.bbox.padded(1)
    return [
        text
        for text, box in texts_of(figure)
        if not (edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1)
    ]


def lightness(colour: str, *, protanopia: bool = False) -> float:
    """CIE L* of a colour, from 0 to 100: what is left of it in grey."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)
    )
    if protanopia:
        red, green, blue = (min(max(row[0] * red + row[1] * green + row[2] * blue, 0), 1) for row in PROTANOPIA)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return float(116 * luminance ** (1 / 3) - 16) if luminance > 0.008856 else 903.3 * luminance


def least_step(colours: tuple[str, ...], *, protanopia: bool = False) -> float:
    """The smallest difference in lightness between any two colours."""
    return min(
        abs(lightness(one, protanopia=protanopia) - lightness(other, protanopia=protanopia))
        for one, other in combinations(colours, 2)
    )


def legend_labels(figure: Figure) -> list[str]:
    """The entries of the figure's legends."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    return [text.get_text() for legend in legends if legend is not None for text in legend.get_texts()]


def _hidden(axes: Axes) -> Iterator[Text]:
    """The texts of axes that are not drawn: labels of ticks out of view, and all of hidden axes."""
    if not axes.get_visible():
        yield from axes.findobj(Text)
    for axis, low, high in ((axes.xaxis, axes.bbox.x0, axes.bbox.x1), (axes.yaxis, axes.bbox.y0, axes.bbox.y1)):
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            box = tick.label1.get_window_extent()
            middle = (box.x0 + box.x1) / 2 if axis is axes.xaxis else (box.y0 + box.y1) / 2
            if not low - 0.1 <= middle <= high + 0.1:
                yield tick.label1
            yield tick.label2
