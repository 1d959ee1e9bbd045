"""What `--json` writes: every key described, the program's version at the head, and all of it before the text."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.lazy import version
from checkpoint.output import REPORT_FORMAT, write_report
from tests.checkpoint.commands.test_commands import TINY, run
from tests.checkpoint.reports import described, keys_of


@pytest.fixture
def state(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    path = tmp_path / "run.state"
    assert run(capsys, "train", *TINY, "--save", path, "--json", tmp_path / "train.json")[0] == 0
    return path


def arguments_of(command: str, state: Path) -> list[Any]:
    picture = state.parent / "one.npy"
    np.save(picture, np.zeros(784, "uint8"))
    return {
        "train": ["train", *TINY, "--checkpoint", "every:1", "--offload", str(state.parent)],
        "evaluate": ["evaluate", state, "--data", "sample"],
        "predict": ["predict", state, picture],
    }[command]


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_report_has_the_keys_that_are_described_and_no_others(
    command: str, state: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, _, _ = run(capsys, *arguments_of(command, state), "--json", tmp_path / "found.json")
    report = json.loads((tmp_path / "found.json").read_text())
    assert status == 0
    assert keys_of(report) == described(command)
    assert list(report)[:4] == ["format", "program", "version", "command"]
    assert (report["format"], report["version"], report["command"]) == (REPORT_FORMAT, version(), command)


def test_key_that_is_not_described_is_noticed() -> None:
    assert "settings.eta" in described("train")
    assert "epochs[].seconds" in described("train")
    assert keys_of({"a": {"b": 1}, "c": [{"d": 1}, {"e": 2}], "f": [1], "g": []}) == {"a.b", "c[].d", "c[].e", "f", "g"}
    assert "settings.eta" not in described("evaluate")


def test_figures_of_a_training_add_up(state: Path) -> None:
    record = json.loads((state.parent / "train.json").read_text())
    parts = ("seconds", "evaluation_seconds", "loading_seconds", "other_seconds")
    assert sum(record[part] for part in parts) == pytest.approx(record["wall_seconds"])
    assert (record["training_samples"], record["test_samples"]) == (4000, 1000)


def test_training_that_is_done_is_named_by_what_is_done(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "evaluate", state, "--data", "sample")
    assert out.splitlines() == ["784,8,10, after 1 epoch", out.splitlines()[1]]


def test_without_a_path_no_report_is_written() -> None:
    write_report(None, "train", {})


def test_version_is_the_distribution_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"mlp-checkpointing {version()}\n", "")
