"""Runs learn at the learning rate and the initialization that they have by default; one that does not says so."""

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint.commands.training_options import settings_from
from checkpoint.runs.cases import DEEP
from checkpoint.runs.learning import outputs_alike
from checkpoint.runs.settings import RunSettings
from mlp import ArrayBatches, Network
from tests.checkpoint.commands.test_commands import run

TRAIN = ["train", "--data", "sample", "--sizes", "784,30,10", "--epochs", "3", "--batch-size", "20"]


@pytest.mark.parametrize("momentum", [(), ("--momentum", "0.9")], ids=" ".join)
@pytest.mark.parametrize(
    ("activation", "cost"),
    [
        *product(("sigmoid", "tanh", "relu"), ("quadratic", "cross-entropy")),
        *(("elu", cost) for cost in ("quadratic", "binary-cross-entropy")),
    ],
)
def test_each_cost_and_activation_learns_by_default(
    activation: str, cost: str, momentum: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--activation", activation, "--cost", cost, *momentum, "--json", tmp_path / "run.json"]
    status, out, _ = run(capsys, *TRAIN, *options)
    record = json.loads((tmp_path / "run.json").read_text())
    assert status == 0
    assert record["test_accuracy"] > 0.7
    assert not record["outputs_alike"]
    assert not record["nothing_learnt"]
    assert "alike" not in out
    assert "nothing has been learnt" not in out


def settings(base: RunSettings = RunSettings(), **given: Any) -> RunSettings:  # noqa: B008
    return settings_from(argparse.Namespace(**given), base)


@pytest.mark.parametrize(
    ("given", "initialization", "eta"),
    [
        ({}, "normal", 3.0),
        ({"activation": "sigmoid", "cost": "quadratic"}, "normal", 3.0),
        ({"cost": "cross-entropy"}, "scaled", 0.1),
        ({"activation": "relu"}, "scaled", 0.1),
        ({"activation": "relu", "eta": 0.2}, "scaled", 0.2),
        ({"activation": "relu", "initialization": "normal"}, "normal", 0.1),
        ({"initialization": "scaled"}, "scaled", 0.1),
        ({"cost": "binary-cross-entropy"}, "scaled", 0.1),
        ({"output_activation": "sigmoid"}, "normal", 3.0),
        ({"output_activation": "identity"}, "scaled", 0.03),
        ({"activation": "relu", "output_activation": "identity"}, "scaled", 0.03),
        ({"activation": "elu", "momentum": 0.9}, "scaled", 0.003),
        ({"activation": "elu", "cost": "cross-entropy"}, "scaled", 0.1),
        ({"momentum": 0.9}, "scaled", 0.01),
        ({"momentum": 0.9, "initialization": "normal"}, "normal", 0.01),
        ({"momentum": 0.9, "activation": "tanh"}, "scaled", 0.01),
        ({"momentum": 0.9, "eta": 1.0}, "scaled", 1.0),
    ],
    ids=str,
)
def test_what_is_not_given_fits_what_is(given: dict[str, Any], initialization: str, eta: float) -> None:
    found = settings(**given)
    assert (found.initialization, found.eta) == (initialization, eta)


def test_case_and_saved_run_keep_their_own_where_nothing_else_changes() -> None:
    assert settings(DEEP.settings, epochs=1) == settings(DEEP.settings, epochs=1, activation="tanh")
    assert settings(DEEP.settings, epochs=1).eta == DEEP.settings.eta


def test_run_whose_units_are_dead_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--activation", "relu", "--cost", "cross-entropy", "--eta", "3", "--json", tmp_path / "run.json"]
    status, out, err = run(capsys, *TRAIN, *options)
    assert (status, err) == (0, "")
    assert "s  all outputs are alike" in out
    assert "the outputs do not differ between samples: lower --eta, or try --initialization scaled" in out
    assert json.loads((tmp_path / "run.json").read_text())["outputs_alike"] is True


@pytest.mark.parametrize("sizes", ["784,30x12,10", "784,30x30,10"])
def test_a_deep_network_of_sigmoids_that_stays_at_chance_says_so(
    sizes: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--data", "sample", "--sizes", sizes, "--epochs", "2", "--json", tmp_path / "run.json"]
    status, out, err = run(capsys, "train", *options)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (status, err) == (0, "")
    assert record["test_accuracy"] < 0.2
    lines = [line for line in out.splitlines() if line.startswith("epoch")]
    said = ("s  no better than one answer for all", "s  all outputs are alike")
    assert [line for line in lines if not line.endswith(said)] == []
    assert record["outputs_alike"] or "nothing has been learnt: the costs are no lower than that of one answer" in out
    assert record["nothing_learnt"]
    assert record["one_answer_cost"] == pytest.approx(0.45, rel=0.01)


def test_outputs_that_differ_a_little_are_not_alike() -> None:
    net = Network([3, 2], initialization="scaled")
    X, y = np.zeros((5, 3), "float32"), np.zeros((5, 2), "float32")
    assert outputs_alike(net, ArrayBatches(net, X, y))
    X[3, 0] = 0.1
    assert not outputs_alike(net, ArrayBatches(net, X, y))
    assert not outputs_alike(net, ArrayBatches(net, X[:1], y[:1]))
