"""The pictures as a reader sees them: nothing overlaps or is cut off, every mark is whole, colours are told apart."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from checkpoint import Schedule, chain_of, every_nth, front_of, micro_batches, plan_chain, simulate, store_all
from checkpoint.drawing.arena import arena_figure
from checkpoint.drawing.canvas import new_figure, spread
from checkpoint.drawing.comparison import comparison_figure
from checkpoint.drawing.front import front_figure
from checkpoint.drawing.growth import growth_figure
from checkpoint.drawing.history import STYLES, history_figure
from checkpoint.drawing.timeline import Timeline, timeline_figure, timelines_figure
from checkpoint.palette import BACKWARD, FORWARD, RECOMPUTE
from checkpoint.planning.choice import Choice
from checkpoint.planning.growth import even_sizes, growth
from checkpoint.runs.cases import CASES, Case
from checkpoint.runs.comparison import Compared, Run, compared, runs_of
from checkpoint.runs.record import RunRecord
from checkpoint.schedule.placement import place
from checkpoint.units import three_digits
from mlp import EpochRecord
from tests.checkpoint.drawing.looking import cut_off, least_step, legend_labels, lightness, overlapping

SHORT = chain_of([784, 100, 30, 10], batch_size=100)
DEEP = chain_of([784, *[128] * 50, 10], batch_size=1000)


def record_of(run: Run, *, epochs: int, better: float) -> RunRecord:
    """A record such as a run of `epochs` leaves."""
    peak = simulate(run.schedule, run.settings.chain).peak_bytes
    history = [
        EpochRecord(
            epoch=epoch,
            seconds=2.0 + better,
            test_accuracy=0.9 - 0.4 / epoch + better,
            batch_seconds=0.1,
            evaluation_seconds=0.2,
        )
        for epoch in range(1, epochs + 1)
    ]
    values = dict.fromkeys(RunRecord.__dataclass_fields__, 0) | {
        "strategy": run.schedule.name,
        "predicted_peak_bytes": peak,
        "measured_peak_bytes": peak,
        "weights_sha256": str(better),
        "epochs": history,
        "measured_bytes_after": [],
    }
    return RunRecord(**values)  # type: ignore[arg-type]


def rows_of(case: Case, *, epochs: int, alike: bool = True) -> list[Compared]:
    runs, _ = runs_of(case)
    records = [record_of(run, epochs=epochs, better=0.0 if alike else place / 100) for place, run in enumerate(runs)]
    return [compared(run, record, records[0]) for run, record in zip(runs, records, strict=True)]


FIVE = replace(
    CASES["deep"],
    ways=(Choice(), Choice("every:4"), Choice("sqrt"), Choice("micro:128"), Choice("optimal", "8%", "host")),
    settings=replace(CASES["deep"].settings, backend="cupy", bandwidth="9GB/s", speed="1TFLOP/s"),
)


def timelines(chain, *schedules: Schedule) -> list[Timeline]:  # type: ignore[no-untyped-def]
    found = [(schedule, simulate(schedule, chain)) for schedule in schedules]
    return [Timeline(f"a case: {one.name}", one, simulation, simulation.bytes_after) for one, simulation in found]


def growth_points(*depths: int):  # type: ignore[no-untyped-def]
    chains = [chain_of(even_sizes(n, inputs=784, width=128, outputs=10), batch_size=1000) for n in depths]
    found = [growth(chain, way) for chain in chains for way in ("none", "every:4", "sqrt")]
    return [replace(point, measured_bytes=point.predicted_bytes) for point in found]


def history(epochs: int, *names: str) -> list[EpochRecord]:
    """Records such as a training of `epochs` leaves, with these values measured."""
    values = {"cost": lambda epoch, k: 0.2 + (1 + k / 3) / epoch**0.7, "accuracy": lambda epoch, k: 0.98 - 0.5 / epoch}
    return [
        replace(
            EpochRecord(epoch, 1.0, None),
            **{name: values[name.split("_")[1]](epoch, k) for k, name in enumerate(names)},  # type: ignore[arg-type]
        )
        for epoch in range(1, epochs + 1)
    ]


MEASURED = ("training_cost", "validation_cost", "test_cost", "validation_accuracy", "test_accuracy")


def every_figure() -> Iterator[tuple[str, Figure]]:
    """Each picture, plain and at its worst."""
    both = [*rows_of(CASES["classic"], epochs=5), *rows_of(CASES["deep"], epochs=5)]
    yield "comparison", comparison_figure(both)
    yield "five ways, none alike", comparison_figure(rows_of(FIVE, epochs=2, alike=False))
    yield "one epoch", comparison_figure(rows_of(CASES["classic"], epochs=1))
    for name, chain in (("classic", SHORT), ("deep", DEEP), ("narrow", chain_of([8, 7, 6, 5, 4, 3], batch_size=300))):
        front = front_of(chain)
        yield f"front, {name}", front_figure(front, title=name, chosen=front.plans[-1])
    yield "growth", growth_figure(growth_points(1, 2, 8, 32, 64), title="width 128")
    yield "growth, ways alike", growth_figure(growth_points(1, 2), title="width 128")
    found = plan_chain(DEEP, budget_bytes=4 * 2**20)
    planned = Timeline("planned", found.schedule, simulate(found.schedule, DEEP), budget_bytes=4 * 2**20)
    yield "timeline", timeline_figure(planned)
    for name, chain, schedule in (
        ("few", SHORT, every_nth(n_layers=3, n=2)),
        ("some", chain_of([64, *[40] * 12, 10], batch_size=90), every_nth(n_layers=13, n=4)),
        ("many", DEEP, found.schedule),
    ):
        placement = place(schedule, chain)
        yield f"arena, {name}", arena_figure(schedule, placement, budget_bytes=placement.arena_bytes + 9, title=name)
    yield "history", history_figure(history(12, *MEASURED), title="784,100,10 on mnist", best_epoch=9)
    yield "history, one epoch", history_figure(history(1, "test_cost"), title="784,100,10 on mnist")
    yield "history, 300 epochs", history_figure(history(300, *MEASURED), title="a long title " * 30, best_epoch=300)
    yield "history, stopped before an epoch was done", history_figure([], title="784,100,10 on mnist")
    few = timelines(
        SHORT,
        store_all(n_layers=3),
        every_nth(n_layers=3, n=2),
        micro_batches(n_layers=3, batch_size=100, rows=50),
    )
    many = timelines(DEEP, store_all(n_layers=51), *(every_nth(n_layers=51, n=n) for n in (2, 4, 8)), found.schedule)
    yield "timelines", timelines_figure([few, many])


FIGURES = dict(every_figure())


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_no_text_covers_another_or_is_cut_off(figure: Figure) -> None:
    assert overlapping(figure) == []
    assert cut_off(figure) == []


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_every_marker_is_whole(figure: Figure) -> None:
    figure.draw_without_rendering()
    for axes in figure.axes:
        for line in axes.findobj(Line2D):
            if line.axes is not axes or line not in axes.lines or not line.get_clip_on():
                continue
            if line.get_marker() in ("", "None", None) or not len(line.get_xdata()):
                continue
            half = (line.get_markersize() + line.get_markeredgewidth()) / 2 * figure.dpi / 72
            room = axes.bbox.padded(1 - half)
            for x, y in line.get_transform().transform(line.get_xydata()):
                assert room.x0 <= x <= room.x1, (line.get_label(), x)
                assert room.y0 <= y <= room.y1, (line.get_label(), y)


def test_overlapping_and_cut_off_texts_are_noticed() -> None:
    figure = new_figure(3, 3)
    axes = figure.subplots()
    axes.text(0.5, 0.5, "one")
    axes.text(0.51, 0.5, "other")
    figure.text(0.9, 0.5, "a long text at the edge")
    assert overlapping(figure) == [("one", "other")]
    assert cut_off(figure) == ["a long text at the edge"]


# Colours

KINDS = (FORWARD, RECOMPUTE, BACKWARD)


@pytest.mark.parametrize("protanopia", [False, True])
def test_forward_recompute_and_backward_differ_in_lightness(protanopia: bool) -> None:
    assert least_step(KINDS, protanopia=protanopia) > 20
    assert all(lightness(colour, protanopia=protanopia) < 90 for colour in KINDS)


def test_colours_of_one_lightness_are_noticed() -> None:
    assert least_step(("#4C78A8", "#F58518", "#54A24B")) < 20


# What is in them


def test_legend_of_a_timeline_has_what_is_drawn_and_nothing_else() -> None:
    plain, *_ = timelines(SHORT, store_all(n_layers=3))
    assert "recompute" not in legend_labels(timeline_figure(plain))
    assert "measured" in legend_labels(timeline_figure(plain))
    assert "measured" not in legend_labels(timeline_figure(replace(plain, measured=())))
    recomputing, *_ = timelines(SHORT, every_nth(n_layers=3, n=2))
    assert "recompute" in legend_labels(timeline_figure(recomputing))
    assert "budget 1 MiB" in legend_labels(timeline_figure(replace(plain, budget_bytes=2**20)))


def test_timeline_numbers_the_actions_that_the_text_counts() -> None:
    from checkpoint.planning.report import chain_report, schedule_report, schedule_text

    chain = chain_of([8] * 60, batch_size=40)
    schedule = every_nth(n_layers=59, n=8)
    report = chain_report(chain, dtype="float32", backend="numpy") | schedule_report(chain, schedule, plan=None)
    counted = f"{report['counted_actions']} actions, releases not counted"
    assert counted in schedule_text(report)
    figure = timeline_figure(timelines(chain, schedule)[0])
    assert figure.axes[0].get_xlabel() == f"action, 1 to {report['counted_actions']} (releases not counted)"


def test_curves_of_ways_that_train_alike_are_one_and_others_are_apart() -> None:
    alike = comparison_figure(rows_of(FIVE, epochs=5)).axes[0]
    apart = comparison_figure(rows_of(FIVE, epochs=5, alike=False)).axes[0]
    assert [len(axes.lines) for axes in (alike, apart)] == [1, 5]
    assert len({line.get_marker() for line in apart.lines}) == 5
    for axes in (alike, apart):
        assert all(float(tick).is_integer() for tick in axes.get_xticks())
        assert all(line.get_marker() not in ("", "None") for line in axes.lines)


def test_history_has_a_line_for_each_measure_and_a_panel_where_it_was_measured() -> None:
    both = history_figure(history(12, *MEASURED), title="", best_epoch=3)
    assert [axes.get_ylabel() for axes in both.axes] == ["cost", "accuracy"]
    assert [len(axes.lines) for axes in both.axes] == [4, 3]
    assert "best epoch, 3" in legend_labels(both)
    alone = history_figure(history(12, "training_cost"), title="")
    assert [axes.get_ylabel() for axes in alone.axes] == ["cost"]
    assert legend_labels(alone) == ["training"]
    assert list(alone.axes[0].lines[0].get_ydata()) == [record.training_cost for record in history(12, "training_cost")]


def test_kinds_of_data_differ_in_lightness_and_marker() -> None:
    colours, markers = zip(*((style["color"], style["marker"]) for style in STYLES.values()), strict=True)
    assert least_step(colours) > 20
    assert least_step(colours, protanopia=True) > 20
    assert len(set(markers)) == 3


def test_bars_show_what_their_labels_say() -> None:
    rows = rows_of(CASES["deep"], epochs=3, alike=False)
    _, seconds, peaks = comparison_figure(rows).axes
    assert [bar.get_width() for bar in seconds.patches] == [row.epoch_seconds for row in rows]
    assert [bar.get_width() * 2**20 for bar in peaks.patches] == [row.record.measured_peak_bytes for row in rows]
    assert [text.get_text() for text in seconds.texts] == [
        f"{three_digits(row.epoch_seconds)} s ({row.seconds_ratio:.2f}x)" for row in rows
    ]


def test_front_says_its_scale_and_shows_beaten_marks_hollow() -> None:
    front = front_of(DEEP)
    axes = front_figure(front, title="deep").axes[0]
    assert "logarithmic" in axes.get_xlabel()
    assert "linear to 1.5, above logarithmic" in axes.get_ylabel()
    steps = next(line for line in axes.lines if line.get_drawstyle() == "steps-pre")
    costs = [plan.cost / front.store_all.cost for plan in front.points if plan.planned]
    assert list(steps.get_ydata()) == [cost - 1 for cost in costs]
    assert dict(zip(axes.get_yticks(), [label.get_text() for label in axes.get_yticklabels()], strict=True))[0] == "1"
    hollow = {line.get_label() for line in axes.lines if line.get_markerfacecolor() == "white"}
    for mark in front.marks:
        name = next(str(line.get_label()) for line in axes.lines if mark.name in str(line.get_label()))
        assert (name in hollow) == mark.dominated


def test_growth_has_measured_dots_for_store_all_too() -> None:
    points = growth_points(1, 8)
    dots = [line for line in growth_figure(points, title="").axes[0].lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in dots] == [2, 2, 2, 0]


def test_places_are_spread_and_stay_where_they_are_clear() -> None:
    assert spread([1.0, 5.0, 9.0], 2) == [1.0, 5.0, 9.0]
    assert spread([3.0, 3.0, 3.0], 2) == [1.0, 3.0, 5.0]


def test_figures_of_a_plan_come_without_pyplot_and_can_be_saved(tmp_path: Path) -> None:
    import checkpoint

    plan = checkpoint.plan([784, *[32] * 8, 10], batch_size=256, budget_bytes=300_000)
    for made in (checkpoint.figure(plan), checkpoint.timeline(plan)):
        assert isinstance(made, Figure)
        made.savefig(tmp_path / "made.svg")
    assert any("this plan" in str(line.get_label()) for line in checkpoint.figure(plan).axes[0].lines)
