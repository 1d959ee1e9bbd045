"""The benchmark's picture: time against memory, ours and the peers', a panel for each case."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.steps.cases import CASES, MIB
from bench.steps.labels import Label, place_labels
from bench.steps.timing import Timed
from bench.steps.ways import CONTROL, SEQUENTIAL
from checkpoint.drawing.canvas import MEASURED, SERIES, new_figure, plain_axes, save

OURS, PEERS = SERIES[0], SERIES[1]
ROOM_DECADES = 0.28
"""Room for labels on either side of the points, as a part of the logarithmic axis that the points take."""


def draw(results: Mapping[str, Sequence[Timed]], path: Path) -> None:
    """Draw every way whose bytes are known, its time as a multiple of the products', and write the PNG to `path`."""
    save(figure_of(results), path)


def figure_of(results: Mapping[str, Sequence[Timed]]) -> Figure:
    """The figure that `draw` saves."""
    lines, columns = -(-len(results) // 2), min(len(results), 2)
    figure = new_figure(7.2 * columns, 5 * lines + 0.4)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    labels = [_draw_case(axes, name, rows) for axes, (name, rows) in zip(panels, results.items(), strict=False)]
    for axes in panels[len(results) :]:
        axes.set_visible(False)
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, texts, loc="outside lower center", ncols=3 if columns == 1 else len(texts), frameon=False, fontsize=9
    )
    for axes, of_case in zip(panels, labels, strict=False):
        place_labels(figure, axes, of_case)
    return figure


def _draw_case(axes: Axes, name: str, rows: Sequence[Timed]) -> list[Label]:
    """Draw one panel; returns the labels to write in it."""
    control = next(row for row in rows if row.way.name == CONTROL)
    known = [row for row in rows if row.peak_bytes]
    places = {row.way.name: ((row.peak_bytes or 0) / MIB, row.ratio_to(control)) for row in known}

    def draw(of: Sequence[Timed], **style: object) -> None:
        points = sorted(places[row.way.name] for row in of)
        axes.plot([x for x, _ in points], [y for _, y in points], **style)  # type: ignore[arg-type]

    planned = [row for row in known if row.way.planned]
    line = {"color": OURS, "linewidth": 1.2, "marker": "o", "markersize": 6}
    draw([row for row in planned if not row.way.row_blocks], **line, label="our front, whole mini-batches")
    draw([row for row in planned if row.way.row_blocks], **line, markerfacecolor="white", label="our front, row blocks")
    draw(
        [row for row in known if row.way.kind == "ours" and not row.way.planned],
        color=SERIES[2],
        linestyle="none",
        marker="^",
        markersize=6,
        label="well-known strategies, ours",
    )
    draw(
        [row for row in known if row.way.kind == "peer"],
        color=PEERS,
        linestyle="none",
        marker="s",
        markersize=6,
        label="peers",
    )
    axes.axhline(1, color=MEASURED, linewidth=0.8, linestyle="--", label="matrix products alone")
    _make_room(axes, list(places.values()))
    axes.set_title(f"{name}, batch {CASES[name].batch_size}" if name in CASES else name, loc="left")
    plain_axes(axes)
    return [Label(*places[row.way.name], _short(row), _colour(row)) for row in known]


def _make_room(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    least, most = min(x for x, _ in places), max(x for x, _ in places)
    room = max((most / least) ** ROOM_DECADES, 1.5)
    lowest, highest = min(1, *(y for _, y in places)), max(y for _, y in places)
    over = highest - lowest
    axes.set(xlim=(least / room, most * room), ylim=(lowest - 0.07 * over - 0.02, highest + 0.15 * over))
    axes.set(xlabel="peak array bytes above rest, MiB", ylabel="time of a step, matrix products alone = 1")


def _short(row: Timed) -> str:
    """The label of a point; empty for a point that only shows our front."""
    if row.way.key == "front":
        return ""
    return {SEQUENTIAL: "PyTorch\ncheckpoint_sequential"}.get(row.way.name, row.way.name.replace(", ", ",\n", 1))


def _colour(row: Timed) -> str:
    return PEERS if row.way.kind == "peer" else OURS if row.way.planned else SERIES[2]
