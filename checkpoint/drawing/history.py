"""The picture of a training: costs and accuracies after each epoch, on each kind of data that was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from checkpoint.drawing.canvas import default_style, new_figure, plain_axes, save
from checkpoint.palette import BACKWARD, FORWARD, OUTLINE, RECOMPUTE
from mlp import EpochRecord

STYLES: dict[str, dict[str, Any]] = {
    "training": {"color": FORWARD, "marker": "o", "markersize": 8, "linewidth": 3},
    "validation": {"color": RECOMPUTE, "marker": "s", "markersize": 6, "linewidth": 2},
    "test": {"color": BACKWARD, "marker": "D", "markersize": 4, "linewidth": 1},
}
"""Each kind of data has its colour and its marker in every panel; where curves lie on one another, each is seen."""

MEASURES = ("cost", "accuracy")
MOST_MARKERS = 25
"""Of one line: with more epochs than that only some have a marker."""

CHARACTERS_PER_INCH = 12.5
"""Of a title: a longer one is cut."""


def history_figure(records: Sequence[EpochRecord], *, title: str, best_epoch: int | None = None) -> Figure:
    """The figure of `records`, a panel for what was measured of cost and of accuracy.

    `best_epoch`: the number of the epoch whose parameters were kept, marked where there is one.
    """
    shown = [measure for measure in MEASURES if _kinds(records, measure)] or ["cost"]
    width = 5.6 * len(shown)
    with default_style():
        figure = new_figure(width, 3.9)
        panels = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, measure in zip(panels, shown, strict=True):
            _draw(axes, records, measure, best_epoch)
        most = int(width * CHARACTERS_PER_INCH)
        figure.suptitle(title if len(title) <= most else f"{title[: most - 3]}...", x=0.01, ha="left", fontsize=12)
    return figure


def write_history(records: Sequence[EpochRecord], path: Path, *, title: str, best_epoch: int | None = None) -> None:
    """Write `history_figure` to `path` as a PNG."""
    save(history_figure(records, title=title, best_epoch=best_epoch), path)


def _kinds(records: Sequence[EpochRecord], measure: str) -> list[str]:
    """The kinds of data on which `measure` was measured at least once."""
    names = {kind: f"{kind}_{measure}" for kind in STYLES}
    return [kind for kind, name in names.items() if any(getattr(record, name, None) is not None for record in records)]


def _draw(axes: Axes, records: Sequence[EpochRecord], measure: str, best_epoch: int | None) -> None:
    every = max(1, -(-len(records) // MOST_MARKERS))
    for kind in _kinds(records, measure):
        points = [(record.epoch, getattr(record, f"{kind}_{measure}")) for record in records]
        points = [(epoch, value) for epoch, value in points if value is not None]
        epochs, values = zip(*points, strict=True)
        axes.plot(epochs, values, label=kind, markevery=every, **STYLES[kind])
    if best_epoch is not None:
        axes.axvline(best_epoch, color=OUTLINE, linestyle=":", linewidth=1.2, label=f"best epoch, {best_epoch}")
    axes.set(xlabel="epoch", ylabel=measure)
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.lines:
        axes.legend(frameon=False, fontsize=9, loc="best")
