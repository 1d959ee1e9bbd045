"""What a training leaves to look at, however it ends: its epochs in JSON, and a picture of them."""

import json
import os
import signal
from pathlib import Path

import pytest

from mlp.training.metrics import Evaluation
from tests.checkpoint.commands.test_commands import PNG, TINY, run


def test_training_draws_its_history(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figure, report = tmp_path / "history.png", tmp_path / "run.json"
    status, out, _ = run(capsys, "train", *TINY, "--epochs", 2, "--figure", figure, "--json", report)
    assert status == 0
    assert figure.read_bytes().startswith(PNG)
    record = json.loads(report.read_text())
    assert record["stopped"] is None
    assert "test cost" in out


@pytest.mark.usefixtures("default_signals")
def test_training_that_is_stopped_keeps_its_epochs_and_draws_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, report = tmp_path / "history.png", tmp_path / "run.json"
    evaluate, calls = Evaluation.__call__, []

    def stop(evaluation: Evaluation) -> tuple[float | None, float]:
        calls.append(evaluation)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return evaluate(evaluation)

    monkeypatch.setattr(Evaluation, "__call__", stop)
    status, _, _ = run(capsys, "train", *TINY, "--epochs", 9, "--figure", figure, "--json", report)
    record = json.loads(report.read_text())
    assert status == 130
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2]
    assert record["stopped"].startswith("stopped by SIGINT")
    assert record["settings"]["epochs"] == 9
    assert figure.read_bytes().startswith(PNG)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_training_that_fails_keeps_its_status_and_what_it_can_write(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = tmp_path / "run.json"
    steep = ["--activation", "relu", "--eta", "1e30"]
    status, _, err = run(capsys, "train", *TINY, *steep, "--json", report)
    assert status == 1
    assert err.startswith("mlp-checkpointing: error: epoch 1, step ")
    record = json.loads(report.read_text())
    assert record["epochs"] == []
    assert "not finite" in record["stopped"]


@pytest.mark.parametrize("name", ["history.jpg", "no/folder/history.png"])
def test_picture_that_cannot_be_is_refused_before_the_training(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, err = run(capsys, "train", *TINY, "--figure", tmp_path / name)
    assert (status, out) == (2, "")
    assert err.startswith("mlp-checkpointing: error: cannot write ")


# Early stopping

STOPPING = ["--validation", "0.2", "--early-stopping", "2", "--epochs", "40", "--eta", "40", "--seed", "1"]


def test_training_that_gets_no_better_stops_and_keeps_the_best_epoch(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report, state, figure = tmp_path / "run.json", tmp_path / "run.state", tmp_path / "history.png"
    status, out, _ = run(capsys, "train", *TINY, *STOPPING, "--json", report, "--save", state, "--figure", figure)
    record = json.loads(report.read_text())
    costs = [epoch["validation_cost"] for epoch in record["epochs"]]
    best = min(range(len(costs)), key=costs.__getitem__)
    assert status == 0
    assert len(costs) == best + 1 + 2 < 40
    assert record["best_epoch"] == best + 1
    assert record["test_cost"] == record["epochs"][best]["test_cost"] != record["epochs"][-1]["test_cost"]
    assert record["best_bytes"] == 4 * (784 * 8 + 8 + 8 * 10 + 10)
    assert f"the parameters are those of epoch {best + 1}, the best of {best + 3}" in out
    shorter = [*STOPPING[:-4], "--eta", "40", "--seed", "1", "--epochs", best + 1]
    _, _, _ = run(capsys, "train", *TINY, *shorter, "--json", tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert record["weights_sha256"] == again["weights_sha256"]
    assert record["rest_bytes"] == again["rest_bytes"]
    _, said, _ = run(capsys, "evaluate", state)
    assert f"cost {record['test_cost']:.4g}" in said
    _, said, _ = run(capsys, "train", "--resume", state, "--epochs", best + 4)
    assert "it holds the parameters of its best epoch, not of its last" in said


def test_copy_of_the_best_parameters_counts_as_rest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = []
    for options in ([], ["--early-stopping", "3"]):
        run(capsys, "train", *TINY, "--validation", "0.2", *options, "--json", tmp_path / "run.json")
        found.append(json.loads((tmp_path / "run.json").read_text()))
    assert found[1]["rest_bytes"] - found[0]["rest_bytes"] == found[1]["best_bytes"] > 0
    assert found[0]["weights_sha256"] == found[1]["weights_sha256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--early-stopping", "3"], "none are held out; add --validation 0.1"),
        (["--early-stopping", "0", "--validation", "0.1"], "patience must be a whole number, 1 or more; got 0"),
    ],
)
def test_early_stopping_that_cannot_be_is_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "train", *TINY, *options)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
