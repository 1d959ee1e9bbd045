"""What plan, compare and analyze write with `--json`: every key described, every figure shown, before any picture."""

import contextlib
import io
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpoint.commands.program import main
from checkpoint.output import OutputError
from checkpoint.planning.choice import Choice
from checkpoint.planning.report import schedule_text
from checkpoint.runs.cases import CASES
from checkpoint.runs.comparison import runs_of
from checkpoint.runs.record import RunRecord
from checkpoint.units import three_digits
from tests.checkpoint.commands.test_commands import run
from tests.checkpoint.reports import described, keys_of

SMALL = ["--sizes", "784,32x6,10", "--batch-size", "1000"]
PLAN = ["plan", *SMALL, "--budget", "80%"]
COMPARE = ["compare", "--data", "sample", *SMALL, "--epochs", "1", "--checkpoint", "every:2", "--budget", "60%"]
ANALYZE = ["analyze", "--depths", "1,3", "--width", "16", "--batch-size", "50"]
OFFLOADING = ["--backend", "cupy", "--offload", "host", "--bandwidth", "9GB/s", "--speed", "1TFLOP/s"]


def report_of(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> tuple[dict[str, Any], str]:
    """The JSON of a command that succeeds, and what it printed."""
    path = folder / "report.json"
    status, out, _ = run(capsys, *arguments, "--json", path)
    assert status == 0
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found, out


def test_a_plan_s_reports_have_together_the_keys_that_are_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    full, _ = report_of(capsys, tmp_path, *PLAN, "--front", "--calibrate")
    offloading, _ = report_of(capsys, tmp_path, *PLAN, *OFFLOADING)
    assert keys_of(full) | keys_of(offloading) == described("plan")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON of a comparison, and what it printed."""
    folder = tmp_path_factory.mktemp("comparison")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([*COMPARE, "--figure", str(folder / "c.png"), "--json", str(folder / "c.json")]) == 0
    return json.loads((folder / "c.json").read_text(encoding="utf-8")), out.getvalue()


def test_a_comparison_s_report_has_the_keys_that_are_described(comparison: tuple[dict[str, Any], str]) -> None:
    of_train_alone = ("memory.", "ranks[].", "stopped")
    keys = (key for key in described("train") - described("") if not key.startswith(of_train_alone))
    runs = {f"runs[].{key}" for key in keys}
    assert keys_of(comparison[0]) == described("compare") | runs


def test_an_analysis_s_report_has_the_keys_that_are_described(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report, _ = report_of(capsys, tmp_path, *ANALYZE, "--figure", tmp_path / "a.png")
    assert keys_of(report) == described("analyze")


@pytest.mark.parametrize(
    ("arguments", "drawn"),
    [
        (COMPARE, "comparison.write_comparison"),
        (ANALYZE, "growth.write_growth"),
        ([*PLAN, "--timeline"], "timeline.write_timeline"),
    ],
    ids=["compare", "analyze", "plan"],
)
def test_picture_that_fails_costs_the_picture_alone(
    comparison: tuple[dict[str, Any], str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    drawn: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutputError("no room on the disk")

    records = iter(RunRecord.from_json(row) for row in comparison[0]["runs"])
    monkeypatch.setattr("checkpoint.commands.compare.run_apart", lambda *run: next(records))
    monkeypatch.setattr(f"checkpoint.drawing.{drawn}", fail)
    path, option = tmp_path / "report.json", [] if "--timeline" in arguments else ["--figure"]
    status, out, err = run(capsys, *arguments, *option, tmp_path / "picture.png", "--json", path)
    assert status == 2
    assert "no room on the disk" in err
    assert json.loads(path.read_text(encoding="utf-8"))["command"] == arguments[0]
    assert "peak" in out


def test_what_cannot_be_drawn_is_found_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    monkeypatch.setattr("checkpoint.commands.compare.run_apart", lambda *run: pytest.fail("work was begun"))
    status, _, err = run(capsys, *COMPARE, "--figure", tmp_path / "picture.png")
    assert status == 2
    assert "cannot draw pictures here: RuntimeError: no fonts" in err


def test_second_picture_of_a_comparison_is_tried_before_the_work_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picture-timelines.png").mkdir()
    monkeypatch.setattr("checkpoint.commands.compare.run_apart", lambda *run: pytest.fail("work was begun"))
    status, _, err = run(capsys, *COMPARE, "--figure", tmp_path / "picture.png")
    assert status == 2
    assert "picture-timelines.png" in err


def test_lines_of_a_plan_are_made_of_its_report_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (PLAN, [*PLAN, *OFFLOADING], ["plan", *SMALL, "--checkpoint", "every:2"]):
        report, out = report_of(capsys, tmp_path, *arguments)
        assert schedule_text(report) in out


def test_every_figure_of_the_front_is_in_its_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report, out = report_of(capsys, tmp_path, "plan", *SMALL, "--front")
    lines = out.splitlines()
    for point in report["front"]:
        row = next(line for line in lines if f" {point['peak_bytes']:,} " in line and line.endswith(point["name"]))
        assert f"{point['recompute_fraction']:.3f}" in row
        assert f"{point['cost_ratio']:.3f}" in row
        assert ("beaten" in row) == point["dominated"]
    assert f"{report['step_share']:.0%}" in out


def test_words_of_a_plan_say_of_what_and_count_in_the_singular() -> None:
    report: dict[str, Any] = {
        "title": "784,100,30,10, batch 100",
        "memory": {"limit_bytes": None},
        "parts_bytes": None,
        "sizes": [784, 100, 30, 10],
        "batch_size": 100,
        "dtype": "float32",
        "precision": None,
        "backend": "numpy",
        "store_all_peak_bytes": 354000,
        "planned": True,
        "schedule": {"name": "some class", "pieces": "large"},
        "counted_actions": 1,
        "text": "F1",
        "budget_bytes": 2**20,
        "peak_bytes": 354000,
        "peak_share": 1.0,
        "arena_bytes": 354000,
        "pool_bytes": None,
        "recomputed_layers": 1,
        "recompute_fraction": 0.5,
        "keeps_bits": True,
        "optimal_among": "some class",
        "row_block": None,
        "cost_unit": "operations",
        "gap": 0.0,
        "offloaded_bytes": 0,
        "offloading": None,
    }
    text = schedule_text(report)
    assert "planned in 1.00 MiB" in text
    assert "recomputed: 1 layer a step, 50.0% of the operations of a forward pass" in text
    assert "cost in operations: the least that any schedule for whole mini-batches needs in this budget" in text
    assert "1 action, releases" in text
    rows = schedule_text({**report, "gap": 0.223, "row_block": 128})
    assert "at most 22.3% above the least that any schedule needs in this budget" in rows
    assert "up to rounding" in schedule_text({**report, "keeps_bits": False})


# compare


def test_store_all_is_compared_with_a_plan_and_each_schedule_runs_once() -> None:
    for case in CASES.values():
        runs, notes = runs_of(case)
        assert runs[0].name == "store all"
        planned = [run.name for run in runs if run.name.startswith("planned in ")]
        assert len(planned) + len([note for note in notes if "planned in" in note]) == 1
        assert len({run.schedule.actions for run in runs}) == len(runs) == len(case.ways) - len(notes)
    case = replace(CASES["classic"], ways=(Choice(), Choice("every:2"), Choice("sqrt")))
    runs, (note,) = runs_of(case)
    assert [run.name for run in runs] == ["store all", "every 2nd layer"]
    assert note == "classic: sqrt (every 2nd layer) is the same schedule as every 2nd layer, and is not run again"


def test_seconds_and_ratio_of_a_row_come_from_the_same_medians(comparison: tuple[dict[str, Any], str]) -> None:
    report, out = comparison
    first = report["runs"][0]["epoch_seconds"]
    for row in report["runs"]:
        assert row["seconds_ratio"] == pytest.approx(row["epoch_seconds"] / first)
        assert row["epoch_seconds"] == statistics.median(epoch["seconds"] for epoch in row["epochs"])
        assert three_digits(row["epoch_seconds"]) in out
        assert f"{row['weights']}: the" in out


def test_store_all_has_its_measured_bytes_too(comparison: tuple[dict[str, Any], str]) -> None:
    for row in comparison[0]["runs"]:
        assert len(row["measured_bytes_after"]) >= 14
        assert max(row["measured_bytes_after"]) <= row["measured_peak_bytes"]
