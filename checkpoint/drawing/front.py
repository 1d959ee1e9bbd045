"""The front: peak against recomputed work, and the well-known schedules marked where they lie."""

from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint.drawing.canvas import SERIES, byte_scale, new_figure, save

if TYPE_CHECKING:
    from checkpoint.planning.front import Front

MARKERS = "osD^vPX*"


def draw_front(front: "Front", path: Path, *, title: str) -> None:
    """Draw the front's plans and marks over a logarithmic axis of bytes, and write the PNG to `path`."""
    figure = new_figure(10, 5)
    axes = figure.subplots()
    scale, unit = byte_scale(min(plan.peak_bytes for plan in front.plans))
    plans = sorted(front.plans, key=lambda plan: plan.peak_bytes)
    peaks = [plan.peak_bytes / scale for plan in plans]
    work = [plan.recompute_fraction for plan in plans]
    axes.step(peaks, work, where="post", color=SERIES[0], linewidth=1.2)
    for blocked, face, label in ((False, SERIES[0], "plans, whole mini-batches"), (True, "white", "plans, row blocks")):
        points = [plan for plan in plans if (plan.row_block is not None) == blocked]
        axes.plot(
            [plan.peak_bytes / scale for plan in points],
            [plan.recompute_fraction for plan in points],
            linestyle="none",
            marker="o",
            markersize=6,
            color=SERIES[0],
            markerfacecolor=face,
            label=label,
        )
    for place, mark in enumerate(front.marks):
        axes.plot(
            mark.peak_bytes / scale,
            mark.recompute_fraction,
            linestyle="none",
            marker=MARKERS[place % len(MARKERS)],
            markersize=9,
            color=SERIES[1 + place % (len(SERIES) - 1)],
            label=mark.name,
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(
        xlabel=f"peak array bytes above rest, {unit}", ylabel="recomputed work, forward passes", ylim=(-0.05, None)
    )
    axes.set_yscale("symlog", linthresh=1)  # one more forward pass is the usual price; the smallest peaks cost dozens
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks([tick for tick in (0, 0.25, 0.5, 0.75, 1, 2, 5, 10, 30, 100) if tick <= max(1, 1.2 * max(work))])
    axes.set_title(title, loc="left")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    save(figure, path)
