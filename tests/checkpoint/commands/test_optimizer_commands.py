"""`train` with optimizers and rates: what it takes, keeps, resumes to the bit and refuses in a line."""

import json
from pathlib import Path

import pytest

from checkpoint.commands.training_options import settings_from
from checkpoint.runs.comparison import _options
from checkpoint.runs.settings import RunSettings
from mlp import read_state
from tests.checkpoint.commands.test_commands import TINY, run
from tests.checkpoint.runs.test_defaults import settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(path: str) -> dict[str, object]:
    return dict(json.loads(Path(path).read_text()))


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "adam"],
        ["--optimizer", "adamw", "--weight-decay", "0.1", "--clip", "1"],
        ["--optimizer", "nesterov", "--momentum", "0.9", "--l2", "0.001"],
        ["--optimizer", "rmsprop:rho=0.95"],
        ["--optimizer", "adagrad", "--rate", "cosine"],
    ],
    ids=" ".join,
)
def test_train_measures_what_it_predicted_with_each_optimizer(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    status, out, err = run(
        capsys, "train", *TINY, "--sizes", "784,9,9,9,10", "--checkpoint", "every:2", *options, "--json", "run.json"
    )
    assert (status, err) == (0, "")
    assert "(as predicted)" in out
    found = record("run.json")
    assert found["measured_peak_bytes"] == found["predicted_peak_bytes"]


@pytest.mark.parametrize(("optimizer", "eta"), [("adam", 0.001), ("adamw:clip=1", 0.001), ("adagrad", 0.01)])
def test_eta_and_initialization_fit_the_optimizer(optimizer: str, eta: float) -> None:
    found = settings(optimizer=optimizer)
    assert (found.eta, found.initialization) == (eta, "scaled")
    assert settings(optimizer=optimizer, eta=0.5).eta == 0.5


def test_classic_choice_with_a_clip_keeps_its_eta() -> None:
    found = settings(clip=1.0, l2=0.01)
    assert (found.optimizer, found.eta, found.initialization) == ("sgd:l2=0.01,clip=1.0", 3.0, "normal")


def test_compared_runs_are_given_the_same_optimizer_and_rate() -> None:
    import argparse

    from checkpoint.commands.train import add_arguments

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    wanted = settings(optimizer="adam:clip=2.0", rate="cosine:warm_up=5")
    assert settings_from(parser.parse_args([*_options(wanted)]), RunSettings()) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optimizer", "adm"], "unknown optimizer 'adm'; choose sgd or nesterov or adam or adamw or rmsprop"),
        (["--optimizer", "nesterov"], "optimizer 'nesterov' wants momentum above 0"),
        (["--optimizer", "adam", "--momentum", "0.9"], "adam has none, leave it out"),
        (["--clip", "nan"], "clip must be a finite number; got nan"),
        (["--clip", "-1"], "clip must be above 0"),
        (["--weight-decay", "-1"], "weight_decay must be 0 or more; got -1"),
        (["--l2", "inf"], "l2 must be a finite number"),
        (["--rate", "linear"], "unknown rate 'linear'"),
        (["--rate", "step"], "rate step wants every"),
        (["--optimizer", "adam:epsilon=0"], "epsilon must be from 1e-37 to 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_option_is_one_line_and_2(capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    status, out, err = run(capsys, "train", *TINY, *options)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


RUN = ["--data", "sample", "--sizes", "784,9,9,10", "--batch-size", "900", "--optimizer", "adam", "--clip", "0.5"]


@pytest.mark.parametrize("rate", ["constant", "cosine:warm_up=2", "step:every=1epoch"])
def test_resumed_run_ends_where_an_uninterrupted_one_does(capsys: pytest.CaptureFixture[str], rate: str) -> None:
    rated = [*RUN, "--rate", rate, "--epochs", "2"]
    run(capsys, "train", *rated, "--save", "run.state", "--save-every", "3steps", "--keep", "9", "--json", "whole.json")
    cut = next(p for p in Path().glob("run.state*") if read_state(p).steps_trained == 3)
    cut.rename("cut.state")
    status, out, _ = run(capsys, "train", "--resume", "cut.state", "--json", "again.json")
    assert status == 0
    assert "to the last bit" in out
    assert record("again.json")["weights_sha256"] == record("whole.json")["weights_sha256"]
    assert read_state("cut.state").steps_trained == 10
    assert run(capsys, "evaluate", "cut.state")[0] == 0


def test_another_rate_or_a_longer_cosine_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", *RUN, "--rate", "cosine", "--epochs", "1", "--save", "run.state")
    content = Path("run.state").read_bytes()
    _, out, _ = run(capsys, "train", "--resume", "run.state", "--epochs", "2")
    assert "the end will differ" in out
    assert "rate cosine over 2 epochs, was 1" in out
    Path("run.state").write_bytes(content)
    _, out, _ = run(capsys, "train", "--resume", "run.state", "--epochs", "2", "--rate", "constant")
    assert "rate constant, was cosine" in out


def test_another_optimizer_is_another_network(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", *RUN, "--epochs", "1", "--save", "run.state")
    status, _, err = run(capsys, "train", "--resume", "run.state", "--epochs", "2", "--clip", "0.7")
    assert status == 2
    assert "is of a network with optimizer adam:clip=0.5; adam:clip=0.7 would be another network" in err
