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
