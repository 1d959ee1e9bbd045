"""The picture of `compare`: for each network the accuracy by epoch, the seconds, the peak predicted and measured."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from checkpoint.drawing.canvas import MEASURED, SERIES, byte_scale, new_figure, plain_axes, save
from mlp.sizes import format_sizes

if TYPE_CHECKING:
    from checkpoint.commands.compare import Compared

LABEL_CHARACTERS = 12
"""What fits on a line under a bar."""


def draw_comparison(rows: "Sequence[Compared]", path: Path) -> None:
    """Draw `rows`, a line of panels for each case, and write the PNG to `path`."""
    cases = list(dict.fromkeys(row.case.name for row in rows))
    figure = new_figure(12, 3.4 * len(cases))
    panels = figure.subplots(len(cases), 3, squeeze=False, width_ratios=[1.15, 1, 1])
    for line, name in zip(panels, cases, strict=True):
        of_case = [row for row in rows if row.case.name == name]
        _draw_accuracy(line[0], of_case)
        _draw_seconds(line[1], of_case)
        _draw_peaks(line[2], of_case)
    save(figure, path)


def _draw_accuracy(axes: Axes, rows: "Sequence[Compared]") -> None:
    # Identical runs lie on one another: wide lines below narrow ones keep each of them visible.
    for place, row in enumerate(rows):
        epochs = [record.epoch for record in row.record.epochs]
        accuracies = [record.test_accuracy or 0.0 for record in row.record.epochs]
        width = 2 + 3 * (len(rows) - 1 - place)
        axes.plot(epochs, accuracies, color=SERIES[place], linewidth=width, label=row.record.strategy)
    settings = rows[0].settings
    axes.set_title(f"{rows[0].case.name}: {format_sizes(settings.sizes)}, batch {settings.batch_size}", loc="left")
    axes.set(xlabel="epoch", ylabel="test accuracy")
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9)


def _draw_seconds(axes: Axes, rows: "Sequence[Compared]") -> None:
    seconds = [row.record.seconds for row in rows]
    bars = axes.bar(range(len(rows)), seconds, color=SERIES[: len(rows)], width=0.6)
    axes.bar_label(bars, [f"{s:.1f} s\n{row.seconds_ratio:.2f}x" for s, row in zip(seconds, rows, strict=True)])
    axes.set_title("seconds in training steps", loc="left")
    _label(axes, rows, max(seconds))


def _draw_peaks(axes: Axes, rows: "Sequence[Compared]") -> None:
    scale, unit = byte_scale(max(row.record.measured_peak_bytes for row in rows))
    peaks = [row.record.measured_peak_bytes / scale for row in rows]
    bars = axes.bar(range(len(rows)), peaks, color=SERIES[: len(rows)], width=0.6)
    axes.bar_label(bars, [f"{peak:.3g} {unit}\n{row.peak_ratio:.2f}x" for peak, row in zip(peaks, rows, strict=True)])
    for place, row in enumerate(rows):
        predicted = row.record.predicted_peak_bytes / scale
        axes.hlines(predicted, place - 0.38, place + 0.38, color=MEASURED, linestyle="--", linewidth=1.2)
    axes.set_title("peak array bytes (dashes: predicted)", loc="left")
    _label(axes, rows, max(peaks))


def _label(axes: Axes, rows: "Sequence[Compared]", highest: float) -> None:
    names = [textwrap.fill(row.record.strategy, LABEL_CHARACTERS) for row in rows]
    axes.set_xticks(range(len(rows)), names, fontsize=9)
    plain_axes(axes)
    axes.set_ylim(0, highest * 1.25)
