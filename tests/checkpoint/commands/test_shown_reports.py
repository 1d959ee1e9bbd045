"""What plan, compare and analyze write with `--json`: every key described, every figure shown, before any picture."""

import json
from pathlib import Path
from typing import Any

import pytest

from checkpoint.output import OutputError
from checkpoint.planning.report import schedule_text
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


@pytest.mark.parametrize("picture", [True, False])
@pytest.mark.parametrize("arguments", [COMPARE, ANALYZE], ids=["compare", "analyze"])
def test_report_has_the_keys_that_are_described(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    picture: bool,
) -> None:
    command = arguments[0]
    if not picture:  # a picture that fails costs the picture alone
        drawn = {"compare": "comparison.write_comparison", "analyze": "growth.write_growth"}[command]

        def fail(*_: object, **__: object) -> None:
            raise OutputError("no room on the disk")

        monkeypatch.setattr(f"checkpoint.drawing.{drawn}", fail)
    path = tmp_path / "report.json"
    status, _, err = run(capsys, *arguments, "--figure", tmp_path / "picture.png", "--json", path)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert (status, "no room" in err) == ((0, False) if picture else (2, True))
    runs = {f"runs[].{key}" for key in described("train") - described("")} if command == "compare" else set()
    assert keys_of(report) == described(command) | runs


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
        assert ("beaten" in row) == point["beaten"]
    assert f"{report['step_share']:.0%}" in out


def test_words_of_a_plan_say_of_what_and_count_in_the_singular() -> None:
    report: dict[str, Any] = {
        "sizes": [784, 100, 30, 10],
        "batch_size": 100,
        "dtype": "float32",
        "backend": "numpy",
        "store_all_peak_bytes": 354000,
        "planned": True,
        "schedule": {"name": "some class", "pieces": "large"},
        "counted_actions": 1,
        "text": "F1",
        "budget_bytes": 2**20,
        "peak_bytes": 354000,
        "peak_share": 1.0,
        "recomputed_layers": 1,
        "recompute_fraction": 0.5,
        "keeps_bits": True,
        "optimal_among": "some class",
        "row_block": None,
        "cost_unit": "operations",
        "gap": -0.223,
        "offloaded_bytes": 0,
        "offloading": None,
    }
    text = schedule_text(report)
    assert "planned in 1.00 MiB" in text
    assert "recomputed: 1 layer a step, 50.0% of the operations of a forward pass" in text
    assert "cost in operations: 22.3% below the least that any schedule for whole mini-batches needs" in text
    assert "1 action, releases" in text
    assert "at most 22.3% above the least" in schedule_text({**report, "gap": 0.223})
    assert "up to rounding" in schedule_text({**report, "keeps_bits": False})


# compare


def test_store_all_is_compared_with_a_plan_and_each_schedule_runs_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--data", "sample", *SMALL, "--sizes", "784,16,16,10", "--epochs", "1", "--figure", tmp_path / "c.png"]
    report, out = report_of(capsys, tmp_path, "compare", *options, "--checkpoint", "every:2", "--checkpoint", "sqrt")
    assert [row["settings"]["checkpoint"] for row in report["runs"]] == ["none", "every:2"]
    assert len(report["notes"]) == 1
    assert "sqrt (every 2nd layer) is the same schedule as every 2nd layer" in report["notes"][0]
    assert report["notes"][0] in out
    report, _ = report_of(capsys, tmp_path, "compare", *options, "--sizes", "784,32x6,10")
    assert [row["settings"]["checkpoint"] for row in report["runs"]] == ["none", "every:2", "sqrt", "optimal"]
    assert report["runs"][0]["name"] == "store all"
    assert report["runs"][-1]["name"].startswith("planned in ")


def test_seconds_and_ratio_of_a_row_come_from_the_same_medians(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report, out = report_of(capsys, tmp_path, *COMPARE, "--figure", tmp_path / "compare.png")
    first = report["runs"][0]["epoch_seconds"]
    for row in report["runs"]:
        assert row["seconds_ratio"] == pytest.approx(row["epoch_seconds"] / first)
        assert row["epoch_seconds"] == row["epochs"][0]["seconds"]
        assert f"{row['epoch_seconds']:.3g}" in out
        assert f"{row['weights']}: the" in out


def test_store_all_has_its_measured_bytes_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report, _ = report_of(capsys, tmp_path, *COMPARE, "--figure", tmp_path / "compare.png")
    for row in report["runs"]:
        assert len(row["measured_bytes_after"]) >= 14
        assert max(row["measured_bytes_after"]) <= row["measured_peak_bytes"]
