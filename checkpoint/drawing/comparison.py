"""The picture of `compare`: for each case the accuracy by epoch, the seconds of an epoch, the peak of a step."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from checkpoint.drawing.canvas import MEASURED, SERIES, default_style, new_figure, plain_axes, save
from checkpoint.units import byte_scale, three_digits

if TYPE_CHECKING:
    from checkpoint.runs.comparison import Compared

MARKERS = "osD^vP"
LEGEND_CHARACTERS, NAME_CHARACTERS = 34, 24
"""What fits on a line of the legend, and on one at the foot of a bar."""

BAR_INCHES, LEAST_INCHES = 0.42, 2.9
ROOM_FOR_NUMBERS = 1.6
"""The axis of a bar, as a multiple of the longest one."""


def comparison_figure(rows: "Sequence[Compared]") -> Figure:
    """The figure of `rows`: a line of panels for each case, and in it a bar for each way."""
    cases = [[row for row in rows if row.case.name == name] for name in dict.fromkeys(row.case.name for row in rows)]
    heights = [max(LEAST_INCHES, 1.2 + BAR_INCHES * len(case)) for case in cases]
    with default_style():
        figure = new_figure(13, sum(heights))
        panels = figure.subplots(len(cases), 3, squeeze=False, width_ratios=[1.1, 1, 1], height_ratios=heights)
        for line, case in zip(panels, cases, strict=True):
            _draw_accuracy(line[0], case)
            _draw_seconds(line[1], case)
            _draw_peaks(line[2], case)
    return figure


def write_comparison(rows: "Sequence[Compared]", path: Path) -> None:
    """Write `comparison_figure` to `path` as a PNG."""
    save(comparison_figure(rows), path)


def _draw_accuracy(axes: Axes, rows: "Sequence[Compared]") -> None:
    # Ways that end with the same weights have the same curve: it is drawn once, with all their names.
    curves: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for row in rows:
        curve = tuple((epoch.epoch, epoch.test_accuracy or 0.0) for epoch in row.record.epochs)
        curves.setdefault(curve, []).append(row.name)
    for place, (curve, names) in enumerate(curves.items()):
        label = "all ways alike" if len(names) == len(rows) else textwrap.fill(", ".join(names), LEGEND_CHARACTERS)
        style: dict[str, Any] = {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)]}
        axes.plot([epoch for epoch, _ in curve], [accuracy for _, accuracy in curve], label=label, **style)
    axes.set_title(rows[0].case.title, loc="left", fontsize=11)
    axes.set(xlabel="epoch", ylabel="test accuracy")
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9, loc="best")


def _draw_seconds(axes: Axes, rows: "Sequence[Compared]") -> None:
    seconds = [row.epoch_seconds for row in rows]
    labels = [f"{three_digits(s)} s ({row.seconds_ratio:.2f}x)" for s, row in zip(seconds, rows, strict=True)]
    _draw_bars(axes, rows, seconds, labels)
    axes.set_title("steps of the median epoch", loc="left", fontsize=11)
    axes.set_xlabel("seconds")


def _draw_peaks(axes: Axes, rows: "Sequence[Compared]") -> None:
    scale, unit = byte_scale(max(row.record.measured_peak_bytes for row in rows))
    peaks = [row.record.measured_peak_bytes / scale for row in rows]
    labels = [f"{three_digits(peak)} {unit} ({row.peak_ratio:.2f}x)" for peak, row in zip(peaks, rows, strict=True)]
    _draw_bars(axes, rows, peaks, labels)
    for place, row in enumerate(rows):
        predicted = row.record.predicted_peak_bytes / scale
        axes.plot([predicted, predicted], [place - 0.42, place + 0.42], color=MEASURED, linestyle="--", linewidth=1.2)
    axes.set_title("peak of a step (dashes: predicted)", loc="left", fontsize=11)
    axes.set_xlabel(f"array bytes above rest, {unit}")
    axes.set_yticklabels([])


def _draw_bars(axes: Axes, rows: "Sequence[Compared]", values: Sequence[float], labels: Sequence[str]) -> None:
    """A bar for each row from the top down, its name at its foot and its label at its end."""
    colours = [SERIES[place % len(SERIES)] for place in range(len(rows))]
    names = [textwrap.fill(row.name, NAME_CHARACTERS) for row in rows]
    bars = axes.barh(range(len(rows)), values, color=colours, height=0.62)
    axes.bar_label(bars, labels, padding=5, fontsize=9)
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * ROOM_FOR_NUMBERS)
    plain_axes(axes, grid="x")
