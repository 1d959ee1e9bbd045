"""What an error advises is there to be had: options of the command, its help, and the nearest word.

That each option named in an error is one of the command's, every test of commands looks at: see `conftest`.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from checkpoint.commands.program import COMMANDS, main
from tests.checkpoint.advised import foreign_options, options_of
from tests.checkpoint.commands.test_commands import run

ROWS = "size,colour,kind\n" + "".join(
    f"{k / 10},{'red' if k % 3 else 'blue'},{'cat' if k % 2 else 'dog'}\n" for k in range(60)
)
TRAIN = ["train", "--data", "table.csv", "--target", "kind", "--sizes", "4", "--epochs", "1", "--batch-size", "10"]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a table, and with the state of a network trained on it."""
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(ROWS)
    assert main([*TRAIN, "--scale", "standard", "--save", "kinds.state"]) == 0
    capsys.readouterr()
    return tmp_path


def test_an_option_that_the_command_has_not_is_found() -> None:
    assert foreign_options("predict", "leave the column (--drop) out") == ["--drop"]
    assert foreign_options("train", "leave the column (--drop) out; see train --ranks, or --target") == []
    assert foreign_options("predict", "train on them with train --ranks") == []
    assert foreign_options("predict", "unknown option --drop") == []
    assert foreign_options("train", "/folder--drop/a--b: is a folder") == []
    assert all("--json" in options_of(command) for command in COMMANDS)


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("size,colour\n1.5,red\n,blue\n", "column 'size' is empty or NaN in row 2"),
        ("size,colour\n1.5,red\nbig,blue\n", "'big' among numbers; mend it, or leave the row out"),
        ("size,colour\n1.5,green\n", "'green' is none of the 2 categories"),
        ("size\n1.5\n", "has no column 'colour'; there are size"),
        ("colour,sizes\nred,1\n", "has no column 'size'; there are colour, sizes, kind; did you mean 'sizes'?"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_what_is_wrong_with_a_table_for_a_trained_network_is_no_reason_to_drop_columns(
    command: str, table: str, wanted: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = table.splitlines()
    Path("new.csv").write_text("\n".join([f"{head},kind", *(f"{row},cat" for row in rows)]))
    assert (
        main(
            ["predict", "kinds.state", "new.csv"]
            if command == "predict"
            else ["evaluate", "kinds.state", "--data", "new.csv"]
        )
        == 2
    )
    assert wanted in capsys.readouterr().err


def test_training_on_such_a_table_may_drop_the_column(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("table.csv").write_text(ROWS + ",red,cat\n")
    assert main(TRAIN) == 2
    assert "leave the rows or the column (--drop) out" in capsys.readouterr().err


@pytest.mark.parametrize("values", [[0.5] * 30, ["cat"] * 30], ids=["floats", "text"])
def test_targets_of_another_kind_than_the_training_s(
    values: list[object], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    X = np.random.default_rng(0).random((30, 3))
    np.savez("whole.npz", X=X, y=np.arange(30) % 2)
    np.savez("values.npz", X=X, y=X[:, 0])
    np.savez("new.npz", X=X, y=np.array(values))
    options = ["--sizes", "4", "--epochs", "1", "--batch-size", "10"]
    for name in ("whole", "values"):
        assert main(["train", "--data", f"{name}.npz", *options, "--save", f"{name}.state"]) == 0
        main(["evaluate", f"{name}.state", "--data", "new.npz"])
        assert "--" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["train", "--sises", "8"], "mlp-checkpointing train: error: unknown option --sises; did you mean --sizes?"),
        (["train", "--budgt=3MiB"], "unknown option --budgt; did you mean --budget?"),
        (["plan", "--batchsize", "8"], "did you mean --batch-size?"),
        (["predict", "a", "b", "--drop", "c"], "mlp-checkpointing predict: error: unknown option --drop (see mlp"),
        (["predict", "a", "b", "c"], "unexpected argument 'c'"),
        (["evalute", "a"], "unknown command 'evalute'; choose train or evaluate or"),
        (["evalute", "a"], "did you mean 'evaluate'?"),
        (["train", "--epochs", "many"], "(see mlp-checkpointing train --help)"),
        (["--frobnicate"], "(see mlp-checkpointing --help)"),
        (["train", "--data", "sample", "--activation", "rlu"], "did you mean 'relu'?"),
        (["train", "--data", "sample", "--cost", "crossentropy"], "did you mean 'cross-entropy'?"),
        (["train", "--data", "sample", "--optimizer", "adm"], "did you mean 'adam'?"),
        (["train", "--data", "sample", "--checkpoint", "evry:2"], "did you mean every:2?"),
        (["train", "--data", "sample", "--checkpoint", "every=2"], "did you mean every:N?"),
        (["train", "--data", "sample", "--scale", "standart"], "did you mean 'standard'?"),
        (["train", "--data", "sampel"], "did you mean 'sample'?"),
        (["train", "--data", "sample", "--backend", "numpi"], "did you mean 'numpy'?"),
        (["plan", "--budget", "1MiB", "--dtype", "float46"], "did you mean 'float64'?"),
        (["plan", "--budget", "1MiB", "--export", "tourch"], "choose from"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_nearly_right_is_guessed_and_the_command_s_help_is_named(
    arguments: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert wanted in err


def test_predict_names_its_input_by_one_word(trained: Path) -> None:
    assert main(["predict", "kinds.state", "table.csv", "--json", "found.json"]) == 0
    record = json.loads(Path("found.json").read_text())
    assert record["input"] == "table.csv"
    assert "image" not in record
