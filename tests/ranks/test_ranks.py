"""Several ranks by MPI: the bits and bytes of one process, whatever their number."""

import json

import numpy as np
import pytest

from checkpoint import load
from checkpoint.commands.program import main
from tests.checkpoint.reports import described, keys_of
from tests.conftest import same_bits
from tests.ranks.launching import PROGRAM, needs_mpi, run

pytestmark = needs_mpi


def test_bits_are_those_of_one_process_and_bytes_are_as_predicted():
    done = run(4, "-m", "tests.ranks.case")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" cases on [4, 3, 2] ranks\n")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What `train` reports in one process, and its saved state."""
    folder = tmp_path_factory.mktemp("alone")
    done = run(1, *PROGRAM, "--ranks", "--json", folder / "run.json", "--save", folder / "run.state")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "run.json").read_text()), folder / "run.state"


@pytest.mark.parametrize(("ranks", "how"), [(4, ()), (3, ("--checkpoint", "micro:128"))])
def test_command_trains_the_weights_of_one_process(tmp_path, alone, ranks, how):
    done = run(ranks, *PROGRAM, *how, "--ranks", "--json", tmp_path / "run.json", "--save", tmp_path / "run.state")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report, (expected, state) = json.loads((tmp_path / "run.json").read_text()), alone
    assert report["weights_sha256"] == expected["weights_sha256"]
    for key in ("training_cost", "test_accuracy", "test_cost"):
        assert [e[key] for e in report["epochs"]] == [e[key] for e in expected["epochs"]]
    assert keys_of(report) == described("train") | described("train --ranks")
    assert len(report["ranks"]) == ranks
    for rank in report["ranks"]:
        assert rank["measured_peak_bytes"] == rank["predicted_peak_bytes"]
    assert sorted(layer for rank in report["ranks"] for layer in rank["layers"]) == [1, 2, 3]
    ours, theirs = load(tmp_path / "run.state"), load(state)
    pairs = [[a for pair in network.velocities for a in pair] for network in (ours, theirs)]
    assert same_bits(*pairs)


def test_training_goes_on_on_other_numbers_of_ranks(tmp_path, alone):
    state = tmp_path / "run.state"
    once = (*PROGRAM[:-1], "1")
    assert main([*once[2:], "--save", str(state)]) == 0
    for ranks, epochs in ((4, 2), (2, 3)):
        resumed = ("-m", "checkpoint", "train", "--resume", state, "--epochs", epochs, "--ranks")
        done = run(ranks, *resumed, "--json", tmp_path / f"{epochs}.json")
        assert done.returncode == 0, done.stderr
        assert "will be those of an uninterrupted run, to the last bit" in done.stdout
    second = json.loads((tmp_path / "2.json").read_text())
    assert second["weights_sha256"] == alone[0]["weights_sha256"]
    assert main([*PROGRAM[2:-1], "3", "--json", str(tmp_path / "whole.json")]) == 0
    third, whole = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("3", "whole"))
    assert third["weights_sha256"] == whole["weights_sha256"]


def test_sums_of_groups_have_the_same_bits_on_any_number_of_ranks_and_are_saved(tmp_path, capsys):
    state, groups = tmp_path / "run.state", ("--sum-groups", "3")
    for epochs, saved in (("1", ("--save", state)), ("2", ())):
        arguments = (*PROGRAM[2:-1], epochs, *groups, "--json", tmp_path / f"alone {epochs}.json", *saved)
        assert main(list(map(str, arguments))) == 0
    assert main(["train", "--resume", str(state), "--epochs", "2", "--sum-groups", "2"]) == 2
    assert "was trained with sums of 3 groups of rows; with sums of 2 groups" in capsys.readouterr().err
    resumed = ("-m", "checkpoint", "train", "--resume", state, "--epochs", "2")
    for ranks, how in ((2, (*PROGRAM, *groups)), (4, resumed)):
        done = run(ranks, *how, "--ranks", "--json", tmp_path / "run.json")
        assert done.returncode == 0, done.stderr
        found, alone = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("run", "alone 2"))
        assert found["weights_sha256"] == alone["weights_sha256"]
        for rank in found["ranks"]:
            assert rank["measured_peak_bytes"] == rank["predicted_peak_bytes"]


def test_several_processes_without_ranks_are_refused_in_one_line(tmp_path):
    done = run(2, *PROGRAM, "--save", tmp_path / "run.state")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "2 processes, which would all do the same" in line
    assert not (tmp_path / "run.state").exists()


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        (("--batch-size", "99999"), ": rank 0 of 3: the mini-batch size must be at most"),
        (("--data", "missing.csv"), ": rank 0 of 3: 'missing.csv': can't be read"),
        (("--sises", "8"), " train: error: unknown option --sises"),
    ],
    ids=" ".join,
)
def test_wrong_input_is_said_once_and_the_launcher_has_nothing_to_add(option, wanted):
    done = run(3, *PROGRAM, "--ranks", *option)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mlp-checkpointing{wanted}")


def test_mapped_data_and_early_stopping_are_those_of_one_process(tmp_path):
    random = np.random.default_rng(0)
    X = random.standard_normal((900, 7)).astype("float32")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", random.integers(3, size=900))  # which nothing can be learnt of
    how = ("--data", f"{tmp_path / 'X.npy'},{tmp_path / 'y.npy'}", "--sizes", "12", "--batch-size", "280")
    how += ("--epochs", "30", "--validation", "0.2", "--early-stopping", "1", "--eta", "20", "--dropout", "0.1")
    done = run(2, "-m", "checkpoint", "train", *how, "--ranks", "--json", tmp_path / "ranks.json")
    assert done.returncode == 0, done.stderr
    assert main(["train", *how, "--json", str(tmp_path / "alone.json")]) == 0
    ours, theirs = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("ranks", "alone"))
    assert ours["weights_sha256"] == theirs["weights_sha256"]
    assert ours["best_epoch"] == theirs["best_epoch"]
    measured = ("training_cost", "validation_cost", "validation_accuracy", "test_cost", "test_accuracy")
    ours, theirs = ([[epoch[key] for key in measured] for epoch in run["epochs"]] for run in (ours, theirs))
    assert ours == theirs
    assert len(ours) < 30


def test_estimators_end_alike_and_an_error_of_one_rank_ends_all():
    done = run(2, "-m", "tests.ranks.fit")
    assert done.returncode == 2, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if "loss" in line] == [line for line in lines if line.startswith("Iteration")]
    assert len([line for line in lines if line.startswith("Iteration 2")]) == 1
    assert "alike alike" in lines
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("mlp-checkpointing: ")]
    assert line.startswith("mlp-checkpointing: rank 1 of 2: X holds NaN in column 2, row 5")
