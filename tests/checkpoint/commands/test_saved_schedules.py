"""A schedule is something one keeps and runs: saved by `plan`, followed by `train`, exported for others."""

import json
from pathlib import Path

import pytest

from checkpoint import Layer, Schedule, every_nth, general_chain, simulate
from checkpoint.commands.program import main

SIZES = ["--sizes", "784,64x12,10", "--batch-size", "500"]
RUN = ["--epochs", "1", "--data", "sample", "--initialization", "scaled"]


def status_of(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The file of a schedule, planned."""
    path = tmp_path / "schedule.json"
    assert status_of("plan", *SIZES, "--budget", "60%", "--no-row-blocks", "--save-schedule", path) == 0
    assert f"train --checkpoint {path}" in capsys.readouterr().out
    return path


def test_train_follows_a_saved_schedule_to_the_planned_bytes(saved: Path, tmp_path: Path) -> None:
    planned, run, plain = (tmp_path / f"{name}.json" for name in ("planned", "run", "plain"))
    assert status_of("plan", *SIZES, "--checkpoint", saved, "--json", planned) == 0
    assert status_of("train", *SIZES, *RUN, "--checkpoint", saved, "--json", run) == 0
    assert status_of("train", *SIZES, *RUN, "--json", plain) == 0
    record, store_all = json.loads(run.read_text()), json.loads(plain.read_text())
    assert (
        record["measured_peak_bytes"] == record["predicted_peak_bytes"] == json.loads(planned.read_text())["peak_bytes"]
    )
    assert record["recomputed_layers"] > 0
    assert record["weights_sha256"] == store_all["weights_sha256"]


def test_a_resumed_run_follows_the_schedule_that_was_saved_with_it(saved: Path, tmp_path: Path) -> None:
    """The file may be gone, or another by then."""
    state, run = tmp_path / "state", tmp_path / "run.json"
    assert status_of("train", *SIZES, *RUN, "--checkpoint", saved, "--save", state) == 0
    saved.unlink()
    assert status_of("train", "--resume", state, "--epochs", 2, "--data", "sample", "--json", run) == 0
    record = json.loads(run.read_text())
    assert record["recomputed_layers"] > 0


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "cannot read the schedule"),
        ("{}", "holds no schedule"),
        (b"\xff\xfe", "it is not text"),
        (every_nth(n_layers=3, n=2).to_json(), "is for 3 layers, the chain has 13"),
    ],
    ids=["missing", "no schedule", "not text", "other network"],
)
@pytest.mark.parametrize("command", ["train", "plan"])
def test_a_file_without_a_schedule_for_this_network_is_refused_in_a_line(
    command: str, content: str | bytes | None, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "schedule.json"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    more = RUN if command == "train" else []
    assert status_of(command, *SIZES, *more, "--checkpoint", path) == 2
    assert wanted in capsys.readouterr().err


@pytest.mark.parametrize(("form", "first"), [("checkpoint-schedules", "Forward(0, "), ("torch", '"""')])
def test_an_export_is_all_that_is_printed(form: str, first: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("checkpoint_schedules")
    assert status_of("plan", *SIZES, "--checkpoint", "every:2", "--export", form) == 0
    out = capsys.readouterr().out
    assert out.startswith(first)
    if form == "torch":
        compile(out, "exported", "exec")


@pytest.mark.parametrize("option", [["--save-schedule", "a.json"], ["--export", "torch"]])
def test_what_is_of_one_schedule_needs_one(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("plan", *SIZES, "--front", *option) == 2
    assert f"{option[0]} is of one schedule" in capsys.readouterr().err


def test_a_schedule_is_saved_as_train_knows_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert status_of("plan", *SIZES, "--checkpoint", "sqrt", "--save-schedule", tmp_path / "a.txt") == 2
    assert "FILE.json" in capsys.readouterr().err
    assert status_of("plan", *SIZES, "--checkpoint", "sqrt", "--save-schedule", tmp_path / "a.json") == 0
    assert Schedule.from_json((tmp_path / "a.json").read_text()).name.startswith("sqrt")


CHAIN = general_chain([Layer(2**16, 7, 9), *[Layer(2**16, 20, 41, 2**12, 2**14, "both")] * 8, Layer(64)], name="blocks")


def test_a_chain_of_any_layers_is_planned_drawn_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain, report, saved = (tmp_path / name for name in ("chain.json", "report.json", "schedule.json"))
    pictures = [tmp_path / f"{name}.png" for name in ("timeline", "arena", "figure")]
    chain.write_text(CHAIN.to_json())
    drawn = [word for path in pictures for word in (f"--{path.stem}", path)]
    more = ["--front", "--json", report, "--save-schedule", saved, *drawn]
    assert status_of("plan", "--chain", chain, "--budget", "60%", *more) == 0
    out, record = capsys.readouterr().out, json.loads(report.read_text())
    assert "blocks, 10 layers: planned in" in out
    assert record["arena_bytes"] <= record["budget_bytes"]
    assert (record["title"], record["sizes"], record["cost_unit"]) == ("blocks, 10 layers", None, "the chain's unit")
    assert simulate(Schedule.from_json(saved.read_text()), CHAIN).peak_bytes == record["peak_bytes"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_what_a_chain_of_any_layers_cannot_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = tmp_path / "chain.json"
    chain.write_text(CHAIN.to_json())
    for option in (["--offload", "."], ["--calibrate"]):
        assert status_of("plan", "--chain", chain, "--budget", "60%", *option) == 2
        assert f"{option[0]} is for a network of" in capsys.readouterr().err
    chain.write_text("{}")
    assert status_of("plan", "--chain", chain, "--budget", "60%") == 2
    assert "holds no chain" in capsys.readouterr().err


def test_a_schedule_is_not_saved_over_what_is_read(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = saved.read_bytes()
    assert status_of("plan", *SIZES, "--checkpoint", saved, "--save-schedule", saved) == 2
    assert "both name" in capsys.readouterr().err
    assert saved.read_bytes() == before
