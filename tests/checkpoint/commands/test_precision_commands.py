"""The commands with --precision: bytes as predicted, weights of plain steps, and one line for what cannot be."""

import json
from pathlib import Path

import pytest

from mlp import read_state
from tests.checkpoint.commands.test_commands import run
from tests.conftest import backend_called

DEEP = ["--data", "sample", "--sizes", "784,48x8,10", "--epochs", "1", "--batch-size", "500"]
ON = [
    pytest.param("numpy", "bfloat16"),
    pytest.param("cupy", "tf32+float16", marks=pytest.mark.gpu),
]


@pytest.mark.parametrize(("name", "precision"), ON)
def test_train_takes_the_bytes_predicted_and_ends_with_plain_s_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, precision: str
) -> None:
    backend_called(name)
    options = ["train", *DEEP, "--backend", name, "--precision", precision]
    reports = {}
    state = tmp_path / "net.state"
    for way in (["--checkpoint", "none"], ["--checkpoint", "every:3"], ["--checkpoint", "sqrt", "--verify"]):
        report = tmp_path / "run.json"
        status, out, err = run(capsys, *options, *way, "--save", state, "--json", report)
        assert (status, err) == (0, "")
        record = json.loads(report.read_text())
        assert "(as predicted)" in out
        assert record["measured_peak_bytes"] == record["predicted_peak_bytes"]
        assert record["settings"]["precision"] == precision
        assert bool(record["cublas"]) == (name == "cupy")
        reports[way[1]] = record
        assert read_state(state).precision == precision
        state.unlink()
    assert len({record["weights_sha256"] for record in reports.values()}) == 1


def test_resumed_training_keeps_the_precision(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = tmp_path / "net.state"
    assert run(capsys, "train", *DEEP, "--precision", "float16", "--save", state)[0] == 0
    status, _, err = run(capsys, "train", "--resume", state, "--epochs", "2", "--precision", "full")
    assert (status, err.count("\n")) == (2, 1)
    assert "is of a network with precision float16; full would be another network" in err
    status, out, _ = run(capsys, "train", "--resume", state, "--epochs", "2")
    assert status == 0
    assert "to the last bit" in out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["train", *DEEP, "--precision", "tf32"], "numpy multiplies float32 in full; leave tf32 out of precision"),
        (["plan", "--budget", "50%", "--precision", "tf32"], "numpy multiplies float32 in full; leave tf32 out"),
        (["train", *DEEP, "--precision", "fp8"], "unknown precision 'fp8'; choose full, tf32, float16"),
        (["plan", "--budget", "50%", "--precision", "float16", "--dtype", "float64"], "got dtype float64"),
        (["plan", "--ranks", "2", "--precision", "float16"], "leave --precision float16 out, or --ranks"),
        (["plan", "--budget", "50%", "--precision", "float16", "--chain", "none.json"], "--precision is for a network"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    status, _, err = run(capsys, *options)
    assert status == 2
    assert problem in err
    assert err.count("\n") == 1


def test_plan_counts_halves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    peaks = {}
    for precision in ("full", "bfloat16", "tf32+float16"):
        report = tmp_path / "plan.json"
        options = ["plan", "--backend", "cupy", "--sizes", "784,256x16,10", "--batch-size", "4096", "--budget", "60%"]
        status, out, _ = run(capsys, *options, "--precision", precision, "--json", report)
        assert status == 0
        record = json.loads(report.read_text())
        assert record["precision"] == precision
        assert (f"float32, precision {precision}, cupy: " in out) == (precision != "full")
        peaks[precision] = record["store_all_peak_bytes"]
    assert peaks["bfloat16"] == peaks["tf32+float16"] < 0.8 * peaks["full"]
