"""The picture of the benchmark: time against memory, the peers and all that we plan, a panel for each case."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from bench.cases import CASES, MIB
from bench.timing import Timed
from checkpoint.drawing.canvas import SERIES, new_figure, plain_axes, save


def draw(results: Mapping[str, Sequence[Timed]], path: Path) -> None:
    """Draw every runner whose bytes are known, as a multiple of the products' time; write the PNG to `path`."""
    figure = new_figure(6.2 * min(len(results), 2), 4.6 * -(-len(results) // 2))
    panels = list(figure.subplots(-(-len(results) // 2), min(len(results), 2), squeeze=False).flat)
    for axes, (name, rows) in zip(panels, results.items(), strict=False):
        _draw_case(axes, name, rows)
    for axes in panels[len(results) :]:
        axes.set_visible(False)
    save(figure, path)


def _draw_case(axes: Axes, name: str, rows: Sequence[Timed]) -> None:
    for kind, colour, marker in (("peer", SERIES[1], "s"), ("ours", SERIES[0], "o")):
        known = [row for row in rows if row.runner.kind == kind and row.peak_bytes]
        axes.plot(
            [(row.peak_bytes or 0) / MIB for row in known],
            [row.ratio for row in known],
            linestyle="none",
            marker=marker,
            color=colour,
            label={"ours": "this project", "peer": "peers"}[kind],
        )
        for row in known:
            axes.annotate(
                " " + row.runner.name, ((row.peak_bytes or 0) / MIB, row.ratio), fontsize=7, color=colour, va="bottom"
            )
    axes.axhline(1, color="#888888", linewidth=0.8, linestyle="--")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="MiB above rest", ylabel="time, matrix products alone = 1", ylim=(0.9, None))
    axes.set_title(f"{name}, batch {CASES[name].batch_size}", loc="left")
    axes.margins(x=0.25)
    axes.legend(frameon=False, fontsize=8)
    plain_axes(axes)
