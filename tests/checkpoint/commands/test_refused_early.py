"""What is wrong whatever the data is, is refused before the data is read; and no option is ignored in silence."""

import json
from pathlib import Path

import numpy as np
import pytest

from checkpoint.commands.program import main
from checkpoint.strategies import every_nth
from mlp import data

ANY = "data.npz"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--activation", "rlu"], "did you mean 'relu'?"),
        (["--output-activation", "swish"], "unknown output activation 'swish'"),
        (["--cost", "cross-entropy", "--output-activation", "relu"], "wants output activation 'softmax'"),
        (["--cost", "l1"], "unknown cost"),
        (["--initialization", "zeros"], "unknown initialization"),
        (["--dtype", "float16"], "unknown dtype"),
        (["--budget", "lots"], "--budget: a number of bytes is written like"),
        (["--checkpoint", "sometimes"], "unknown way to checkpoint"),
        (["--optimizer", "adm"], "unknown optimizer"),
        (["--momentum", "2"], "momentum"),
        (["--dropout", "1.5"], "dropout"),
        (["--rate", "linear"], "unknown rate"),
        (["--seed", "-1"], "seed"),
        (["--epochs", "0"], "epochs must be"),
        (["--batch-size", "0"], "the mini-batch size must be"),
        (["--eta", "nan"], "eta"),
        (["--sizes", "4,x"], "sizes are whole numbers"),
        (["--backend", "cuda"], "unknown backend 'cuda'"),
        (["--device", "1"], "numpy has no device 1"),
        (["--scale", "max"], "--scale takes"),
        (["--bandwidth", "fast", "--offload", ".", "--checkpoint", "optimal", "--budget", "50%"], "a bandwidth is"),
        (["--speed", "3GFLOP/s"], "add --offload"),
        (["--bandwidth", "3GB/s", "--offload", ".", "--checkpoint", "sqrt"], "--bandwidth is for plans"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_wrong_options_are_refused_without_data(
    command: str, options: list[str], wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "load", lambda *_, **__: pytest.fail("the data was loaded"))
    assert main([command, "--data", ANY, *options]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert wanted in said.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["train", "--data", ANY, "--memory-limit", "lots"], "--memory-limit: a number of bytes"),
        (["train", "--data", ANY, "--checkpoint", "missing.json"], "cannot read the schedule missing.json"),
        (["train", "--data", ANY, "--allow-changed-data"], "--allow-changed-data is for --resume"),
        (["train", "--data", ANY, "--keep", "2"], "add --save"),
        (["compare", "--data", ANY, "--case", "deep", "--sizes", "8"], "--case is one of two networks"),
        (["evaluate", "missing.state", "--batch-size", "0"], "--batch-size must be a whole number, 1 or more"),
        (["plan", "--front", "--budget", "lots"], "--budget: a number of bytes"),
        (["plan", "--front", "--checkpoint", "sometimes"], "unknown way to checkpoint"),
        (["plan", "--checkpoint", "sqrt", "--no-row-blocks"], "--no-row-blocks is for plans, and sqrt is none"),
        (["plan", "--checkpoint", "sqrt", "--offload", ".", "--bandwidth", "1GB/s"], "--bandwidth is for plans"),
        *(
            (["plan", "--budget", "1MiB", "--ranks", "2", *option], f"{option[0]} is of one process")
            for option in (["--no-row-blocks"], ["--seconds"], ["--recalibrate"], ["--memory-limit", "1GiB"])
        ),
        *(
            (["plan", "--budget", "1MiB", "--chain", "chain.json", *option], f"{option[0]} is for a network of --sizes")
            for option in (
                ["--sizes", "4,3"],
                ["--batch-size", "7"],
                ["--dtype", "float64"],
                ["--backend", "cupy"],
                ["--momentum", "0.9"],
                ["--optimizer", "adam"],
                ["--seconds"],
                ["--recalibrate"],
            )
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_options_that_would_be_ignored_are_refused(
    arguments: list[str], wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "load", lambda *_, **__: pytest.fail("the data was loaded"))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert wanted in said.err


SOME = {"X": np.random.default_rng(0).random((60, 3)), "y": np.arange(60) % 2}


@pytest.mark.parametrize(
    ("source", "options", "wanted"),
    [
        ("sample", ["--target", "kind"], "sample: has no columns with names, and --target is for tables"),
        ("sample", ["--drop", "kind"], "--drop is for tables"),
        ("sample", ["--test", "0.5"], "has samples to test with already, and --test holds out others"),
        ("sample", ["--skip-data-pass"], "is read into memory, and --skip-data-pass is for files that are not"),
        ("some.npz", ["--target", "kind"], "--target is for tables"),
        ("some.npz", ["--skip-data-pass"], "--skip-data-pass"),
        (
            "some.npz",
            ["--sizes", "3,2", "--dropout", "0.5"],
            "--dropout is of hidden layers, and this network has none",
        ),
        ("table.csv", ["--target", "kind", "--skip-data-pass"], "--skip-data-pass"),
    ],
)
def test_options_that_this_data_has_no_use_for_are_refused(
    source: str, options: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("some.npz", **SOME)
    Path("table.csv").write_text("size,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(30)))
    assert main(["train", "--data", source, "--epochs", "1", "--sizes", "4", *options]) == 2
    assert wanted in capsys.readouterr().err


@pytest.mark.parametrize("what", ["table", "array"])
def test_only_pictures_are_inverted(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("some.npz", **SOME)
    np.save("new.npy", SOME["X"])
    Path("table.csv").write_text("size,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(30)))
    source = ["table.csv", "--target", "kind"] if what == "table" else ["some.npz", "--scale", "standard"]
    options = ["--epochs", "1", "--batch-size", "10", "--sizes", "4", "--save", "a.state"]
    assert main(["train", "--data", *source, *options]) == 0
    assert main(["predict", "a.state", "table.csv" if what == "table" else "new.npy", "--invert"]) == 2
    assert "--invert is for" in capsys.readouterr().err


SIZES = ["--sizes", "784,16x6,10", "--batch-size", "200"]


def test_a_schedule_that_was_made_for_something_else_is_followed_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SIZES, "--checkpoint", "micro:50", "--save-schedule", "s.json"]) == 0
    run = ["train", "--data", "sample", "--epochs", "1", "--checkpoint", "s.json"]
    capsys.readouterr()
    assert main([*run, *SIZES]) == 0
    assert "made for" not in capsys.readouterr().out
    assert main([*run, *SIZES, "--batch-size", "100"]) == 0
    said = capsys.readouterr().out
    assert "s.json was made for 784,16x6,10, batch 200" in said
    assert "followed on 784,16x6,10, batch 100 it takes " in said
    assert main([*run, "--sizes", "784,18x6,10", "--batch-size", "200"]) == 0
    assert "followed on 784,18x6,10, batch 200 it takes" in capsys.readouterr().out
    assert main([*run, *SIZES, "--dtype", "float64"]) == 0
    assert "was made for 784,16x6,10, batch 200 and " in capsys.readouterr().out
    assert main([*run, "--sizes", "784,16x5,10"]) == 2
    assert "is for 7 layers, the chain has 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    "made_for", [None, [], {}, {"title": 3, "peak_bytes": 1}, {"title": "\x1b[31mred", "peak_bytes": 1}]
)
def test_what_a_file_says_it_was_made_for_is_not_trusted(made_for: object, capsys: pytest.CaptureFixture[str]) -> None:
    record = every_nth(n_layers=7, n=2).as_record()
    Path("s.json").write_text(json.dumps(record if made_for is None else {**record, "made_for": made_for}))
    assert main(["train", "--data", "sample", "--epochs", "1", "--checkpoint", "s.json", *SIZES]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_the_front_without_row_blocks_has_none_and_names_store_all_once(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["plan", "--sizes", "784,32x6,10", "--batch-size", "512", "--front"]
    assert main([*options, "--no-row-blocks"]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if " plan " in line]
    assert rows
    assert all(" all  " in row for row in rows)
    assert sum(line.endswith("store all") for line in said.splitlines()) == 1
    assert main(options) == 0
    assert any(" all  " not in line for line in capsys.readouterr().out.splitlines() if " plan " in line)


def test_the_signs_of_a_schedule_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SIZES, "--checkpoint", "micro:50"]) == 0
    said = capsys.readouterr().out
    assert "there F runs a layer forward, * keeps its output, B takes the error back through it, [a:b] are rows" in said
    assert main(["plan", *SIZES, "--checkpoint", "none"]) == 0
    assert "[a:b]" not in capsys.readouterr().out
