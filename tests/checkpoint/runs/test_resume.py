"""Training that goes on from a saved state ends where one that never stopped does, or says why it may not."""

import json
from pathlib import Path

import pytest

from backend import select_backend
from checkpoint.commands import program as command_line
from checkpoint.runs.states.saver import Every
from mlp import read_state
from tests.conftest import compiled_only

NETWORK = ("--data", "sample", "--sizes", "784,9x6,10", "--batch-size", "600", "--seed", "3", "--eta", "1")


def train(*options: object) -> int:
    return command_line.main(["train", *map(str, options)])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sha256(path: str) -> str:
    return str(json.loads(Path(path).read_text())["weights_sha256"])


def stopped_at(step: int, *options: object) -> None:
    """Train, and keep only the state that was saved after so many steps."""
    assert train(*NETWORK, "--save", "run.state", "--save-every", f"{step}steps", "--keep", 20, *options) == 0
    for path in Path().glob("run.state*"):
        progress = read_state(path).progress
        if (progress.epoch, progress.step) == (1, step):
            path.rename("cut.state")


@pytest.mark.parametrize("step", [1, 5, 7])
@pytest.mark.parametrize("then", [("--checkpoint", "sqrt"), ("--checkpoint", "none")])
def test_end_is_that_of_an_uninterrupted_run_to_the_last_bit(step, then, capsys):
    train(*NETWORK, "--epochs", 2, "--momentum", 0.9, "--json", "whole.json")
    stopped_at(step, "--epochs", 2, "--momentum", 0.9, "--checkpoint", "every:2")
    capsys.readouterr()
    assert train("--resume", "cut.state", *then, "--json", "resumed.json") == 0
    assert sha256("resumed.json") == sha256("whole.json")
    said = capsys.readouterr().out
    assert (
        f"going on from cut.state, after {step} step{'s' * (step > 1)}; the final weights will be those of an" in said
    )


def test_resumed_run_shows_the_accuracy_of_every_epoch_that_was_not_shown(capsys):
    stopped_at(7, "--epochs", 1)  # all of the epoch's steps, and killed before its evaluation
    capsys.readouterr()
    assert train("--resume", "cut.state") == 0
    assert "epoch   1  test accuracy" in capsys.readouterr().out


def test_options_not_given_are_those_of_the_saved_run():
    train(*NETWORK, "--epochs", 1, "--no-shuffle", "--checkpoint", "every:3", "--save", "run.state")
    assert train("--resume", "run.state", "--epochs", 2, "--json", "then.json") == 0
    settings = json.loads(Path("then.json").read_text())["settings"]
    assert settings["sizes"] == [784, 9, 9, 9, 9, 9, 9, 10]
    assert (settings["checkpoint"], settings["shuffle"], settings["eta"], settings["seed"]) == ("every:3", False, 1, 3)
    assert read_state("run.state").progress.epoch == 3


def test_longer_training_is_the_same_as_one_that_was_long_from_the_start():
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    train("--resume", "run.state", "--epochs", 2, "--json", "two.json")
    train(*NETWORK, "--epochs", 2, "--json", "whole.json")
    assert sha256("two.json") == sha256("whole.json")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--sizes", "784,10"), "sizes 784,9x6,10; 784,10 would be another network"),
        (("--activation", "tanh"), "activation sigmoid; tanh would"),
        (("--dtype", "float64"), "dtype float32; float64 would"),
        (("--momentum", "0.5"), "momentum 0.0; 0.5 would"),
        (("--seed", "4"), "seed 3; 4 would"),
        (("--batch-size", "5"), "saved 2 steps into an epoch with batch_size 600; 5 would lose the place"),
        (("--no-shuffle",), "shuffle True; False would lose the place"),
        (("--save", "run.state"), "which a new training would overwrite"),
    ],
)
def test_options_that_contradict_are_refused(options, problem, capsys):
    stopped_at(2, "--epochs", 1)
    capsys.readouterr()
    assert train("--resume", "cut.state", *options) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


def test_finished_training_is_not_resumed(capsys):
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    assert train("--resume", "run.state") == 2
    assert "is complete, after 1 epoch; ask for more, such as --epochs 2" in capsys.readouterr().err


# What cannot be promised


def test_another_numpy_is_said(monkeypatch, capsys):
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    monkeypatch.setattr("numpy.__version__", "1000.0")
    assert train("--resume", "run.state", "--epochs", 2) == 0
    assert (
        "the end will differ in its last bits from that of an uninterrupted run: numpy 1000.0, was"
        in capsys.readouterr().out
    )


@compiled_only
def test_another_number_of_threads_gives_the_same_bits(monkeypatch, capsys):
    train(*NETWORK, "--epochs", 2, "--json", "whole.json")
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    monkeypatch.setattr(select_backend("numpy").engine, "threads", 1)
    assert train("--resume", "run.state", "--epochs", 2, "--json", "resumed.json") == 0
    assert "the final weights will be those of an uninterrupted run, to the last bit" in capsys.readouterr().out
    assert sha256("whole.json") == sha256("resumed.json")


def test_another_eta_is_said(capsys):
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    assert train("--resume", "run.state", "--epochs", 2, "--eta", 2) == 0
    assert "eta 2.0, was 1.0" in capsys.readouterr().out


def test_row_blocks_are_said_where_they_are_others_and_promised_where_they_are_the_same(capsys):
    train(*NETWORK, "--epochs", 2, "--checkpoint", "micro:50", "--json", "whole.json")
    stopped_at(3, "--epochs", 2, "--checkpoint", "micro:50")
    assert read_state("cut.state").notes["row_blocks"]
    Path("same.state").write_bytes(Path("cut.state").read_bytes())
    capsys.readouterr()
    assert train("--resume", "same.state", "--json", "resumed.json") == 0
    assert "will be those of an uninterrupted run, to the last bit" in capsys.readouterr().out
    assert sha256("resumed.json") == sha256("whole.json")
    assert train("--resume", "cut.state", "--checkpoint", "none") == 0
    assert "run: other row blocks, which add in another order" in capsys.readouterr().out


@compiled_only
def test_row_blocks_of_whole_chunks_are_promised_whatever_goes_on(capsys):
    train(*NETWORK, "--epochs", 2, "--json", "whole.json")
    stopped_at(3, "--epochs", 2, "--checkpoint", "micro:128")
    assert not read_state("cut.state").notes["row_blocks"]
    capsys.readouterr()
    assert train("--resume", "cut.state", "--checkpoint", "none", "--json", "resumed.json") == 0
    assert "will be those of an uninterrupted run, to the last bit" in capsys.readouterr().out
    assert sha256("resumed.json") == sha256("whole.json")


@pytest.fixture
def other_data(folder, sample_arrays) -> Path:
    """The sample with one pixel of one image changed."""
    from numpy import savez

    sample_arrays["x_train"][5, 300] ^= 1
    savez(folder / "other.npz", **sample_arrays)
    return folder / "other.npz"


@pytest.fixture
def sample_arrays() -> dict[str, object]:
    from mlp import data

    sample = data.load("sample")
    return {
        "x_train": sample.train_images.copy(),
        "y_train": sample.train_labels.copy(),
        "x_test": sample.test_images,
        "y_test": sample.test_labels,
    }


def test_changed_data_is_refused_unless_allowed(other_data, capsys):
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    before = Path("run.state").read_bytes()
    options = ("--resume", "run.state", "--epochs", 2, "--data", other_data)
    assert train(*options) == 2
    assert "is not the data that run.state was trained on" in capsys.readouterr().err
    assert Path("run.state").read_bytes() == before
    assert train(*options, "--allow-changed-data") == 0
    assert "that of an uninterrupted run: other data" in capsys.readouterr().out


def test_data_file_that_changes_under_its_name_is_noticed(other_data, sample_arrays, capsys):
    from numpy import savez

    train(*NETWORK, "--epochs", 1, "--data", other_data, "--save", "run.state")
    sample_arrays["y_train"][0] ^= 1
    savez(other_data, **sample_arrays)
    assert train("--resume", "run.state", "--epochs", 2) == 2
    assert "is not the data" in capsys.readouterr().err


# Where to save, and how often


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1epoch", (1, "epoch")), ("3epochs", (3, "epoch")), ("100steps", (100, "step")), ("2min", (120, "s"))],
)
def test_save_every_is_read(text, expected):
    assert (Every.parse(text).count, Every.parse(text).unit) == expected


@pytest.mark.parametrize("text", ["", "0steps", "1.5epoch", "1e9steps", "5", "hours", "1" * 99 + "steps", "1epoch\n2"])
def test_save_every_of_anything_else_is_refused_in_a_line(text, capsys):
    assert train(*NETWORK, "--save", "run.state", "--save-every", text) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("run.state").exists()


@pytest.mark.parametrize("options", [("--keep", "2"), ("--save-every", "1epoch")])
def test_how_to_save_without_where_is_refused(options, capsys):
    assert train(*NETWORK, *options) == 2
    assert "add --save PATH" in capsys.readouterr().err


def test_what_is_no_saved_state_is_not_overwritten(capsys):
    Path("thesis.txt").write_text("years of work")
    assert train(*NETWORK, "--save", "thesis.txt") == 2
    assert "it is not overwritten" in capsys.readouterr().err
    assert Path("thesis.txt").read_text() == "years of work"


def test_another_training_s_state_is_not_overwritten(capsys):
    train(*NETWORK, "--epochs", 1, "--save", "run.state")
    before = Path("run.state").read_bytes()
    assert train(*NETWORK, "--epochs", 1, "--save", "run.state") == 2
    assert "go on with --resume run.state, or move it away" in capsys.readouterr().err
    assert Path("run.state").read_bytes() == before


def test_folder_that_is_not_there_is_found_before_training(capsys):
    assert train(*NETWORK, "--save", "nowhere/run.state") == 2
    assert "cannot write nowhere/run.state" in capsys.readouterr().err
