"""Labels stay apart, and the picture shows what was timed."""

from pathlib import Path

import pytest

from bench.steps.labels import Label, overlaps, place_labels
from bench.steps.picture import draw, figure_of
from checkpoint.drawing.canvas import new_figure
from tests.bench.steps.rows import rows, timed


def test_labels_of_crowded_points_cover_neither_each_other_nor_the_border() -> None:
    figure = new_figure(7, 5)
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    labels = [Label(9.0 + 0.05 * place, 5.0 + 0.1 * place, f"label number {place}", "black") for place in range(6)]
    placed = place_labels(figure, axes, labels)
    assert len(placed) == 6
    assert overlaps(placed) == 0
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in placed)
    assert all(axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1 for box in placed)


def test_labels_that_cover_each_other_are_noticed() -> None:
    figure = new_figure(7, 5)
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    found = place_labels(figure, axes, [Label(5, 5, "one", "black")])
    assert overlaps([*found, *found]) == 1


def test_picture_has_the_front_as_a_line_by_bytes_and_the_floor(tmp_path: Path) -> None:
    found = [
        *rows(),
        timed("planned", 0.017, peak_mib=30, planned=True),
        timed("half", 0.016, peak_mib=50, planned=True),
    ]
    figure = figure_of({"classic": found})
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    front = lines["our front, whole mini-batches"]
    assert list(front.get_xdata()) == [30, 50]
    assert list(front.get_ydata()) == pytest.approx([1.7, 1.6])
    assert list(lines["matrix products alone"].get_ydata()) == [1, 1]
    draw({"classic": found, "deep": found, "long": found}, tmp_path / "three.png")
    assert (tmp_path / "three.png").stat().st_size > 1000
