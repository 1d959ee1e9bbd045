"""People's own data on the command line: trained on, evaluated, told, compared, and gone on with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from checkpoint.commands.program import main
from mlp import load_state, read_state, save_state
from mlp.data import Preparation, load
from mlp.training.samples import batches_of_part

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 6)) * [1, 10, 100, 1, 1, 1]
CLASSES = (X[:, 0] + X[:, 1] / 10 > 0).astype(int) + (X[:, 2] > 50)
VALUES = X[:, 0] / 2 + 0.2
SMALL = ["--sizes", "12", "--epochs", "3", "--batch-size", "40", "--activation", "tanh", "--scale", "standard"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def found(path: str = "found.json") -> dict[str, Any]:
    report: dict[str, Any] = json.loads(Path(path).read_text())
    return report


def write_pair(y: Any = CLASSES) -> str:
    np.save("X.npy", X)
    np.save("y.npy", y)
    return "X.npy,y.npy"


def write_table(form: str = "csv") -> str:
    table = pd.DataFrame(X, columns=list("abcdef")).assign(
        shape=np.array(["round", "square"])[(X[:, 3] > 0).astype(int)],
        kind=np.array(["low", "middle", "high"])[CLASSES],
        price=VALUES,
    )
    if form == "csv":
        table.to_csv("t.csv", index=False)
    else:
        table.to_parquet("t.parquet")
    return f"t.{form}"


def train(*arguments: object) -> dict[str, Any]:
    assert run("train", *SMALL, "--save", "run.state", "--json", "found.json", *arguments) == 0
    report = found()
    assert report["measured_peak_bytes"] == report["predicted_peak_bytes"] > 0
    return report


def evaluated(*arguments: object) -> dict[str, Any]:
    assert run("evaluate", "run.state", "--json", "evaluated.json", *arguments) == 0
    return found("evaluated.json")


def test_pair_of_arrays_is_trained_on_evaluated_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    report = train("--data", write_pair(), "--validation", "0.1")
    assert report["settings"]["sizes"] == [6, 12, 3]
    assert [report[f"{part}_samples"] for part in ("training", "validation", "test")] == [216, 24, 60]
    assert report["validation_cost"] > 0
    assert report["test_rmse"] is None
    assert evaluated()["test_accuracy"] == report["test_accuracy"] > 0.4
    assert found("evaluated.json")["same_data"] is True
    np.save("new.npy", X[:5])
    capsys.readouterr()
    assert run("predict", "run.state", "new.npy", "--json", "told.json") == 0
    lines = capsys.readouterr().out.splitlines()
    network, _ = load_state("run.state")
    known = Preparation.from_json(read_state("run.state").notes["preparation"])
    scaled = (X[:5] - np.array(known.scaling.shift)) / np.array(known.scaling.divisor)  # type: ignore[union-attr]
    outputs = network.predict(scaled.astype("float32"))
    assert lines == [f"{row.argmax()}  {row.max():.4f}" for row in outputs]
    assert found("told.json")["names"] == [str(row.argmax()) for row in outputs]


def test_what_does_not_go_with_a_table_is_refused_by_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: object) -> str:
        assert run(*arguments) == 2
        return capsys.readouterr().err

    table = ("--data", write_table(), "--drop", "kind,shape")
    assert "one column of values; leave --cost out" in refused(
        "train", *table, "--target", "price", "--cost", "cross-entropy"
    )
    train(*table, "--target", "price", "--figure", "epochs.png")
    assert "the epochs are drawn in epochs.png" in capsys.readouterr().out
    assert "t.csv: is no saved state" in refused("predict", "t.csv", "run.state")
    assert "is a picture, and the network was trained on a table" in refused("predict", "run.state", "epochs.png")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_table_keeps_its_columns_and_the_names_of_its_classes(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_table(form)
    report = train("--data", path, "--target", "kind", "--drop", "price")
    assert report["settings"]["sizes"] == [8, 12, 3]
    assert evaluated()["test_accuracy"] == report["test_accuracy"]
    pd.read_csv("t.csv").drop(columns=["kind", "price"]).head(4).to_csv("new.csv", index=False) if form == "csv" else (
        pd.read_parquet("t.parquet").head(4).to_csv("new.csv", index=False)
    )
    capsys.readouterr()
    assert run("predict", "run.state", "new.csv", "--json", "told.json") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == found("told.json")["names"]
    assert {*names} <= {"low", "middle", "high"}
    dataset = load(path, known=Preparation.from_json(read_state("run.state").notes["preparation"]), trained_digest="")
    network, _ = load_state("run.state")
    inputs, _ = batches_of_part(network, dataset, "test").take(slice(0, 4))
    np.testing.assert_array_equal(np.array(found("told.json")["outputs"], "float32"), network.predict(inputs))


def test_values_have_errors_in_place_of_an_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    report = train("--data", write_table(), "--target", "price", "--drop", "kind", "--epochs", "12")
    assert report["settings"]["sizes"] == [8, 12, 1]
    assert [report["settings"][name] for name in ("output_activation", "eta")] == ["identity", 0.03]
    assert report["test_accuracy"] is None
    assert 0.2 < report["test_r2"] < 1
    assert "test root mean square error" in capsys.readouterr().out
    again = evaluated()
    assert (again["test_rmse"], again["test_r2"]) == (report["test_rmse"], report["test_r2"])
    assert run("predict", "run.state", "t.csv", "--json", "told.json") == 0
    assert found("told.json")["classes"] is None
    assert len(capsys.readouterr().out.splitlines()) >= 300


def test_several_classes_at_once_are_values_with_an_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    several = (X[:, :2] > [0, 5]).astype(int)
    assert several.sum(axis=1).max() == 2
    report = train("--data", write_pair(several), "--cost", "binary-cross-entropy")
    assert report["settings"]["sizes"] == [6, 12, 2]
    assert evaluated()["test_accuracy"] == report["test_accuracy"] > 0
    assert ", accuracy " in capsys.readouterr().out
    assert run("train", "--data", write_pair(VALUES), *SMALL, "--cost", "binary-cross-entropy") == 2
    assert "cost 'binary-cross-entropy' wants values from 0 to 1" in capsys.readouterr().err


def test_two_classes_by_name_have_one_output_under_binary_cross_entropy(capsys: pytest.CaptureFixture[str]) -> None:
    report = train("--data", write_pair(np.array(["no", "yes"])[CLASSES % 2]), "--cost", "binary-cross-entropy")
    assert report["settings"]["sizes"] == [6, 12, 1]
    assert evaluated()["test_accuracy"] == report["test_accuracy"]
    np.save("new.npy", X[:20])
    capsys.readouterr()
    assert run("predict", "run.state", "new.npy", "--json", "told.json") == 0
    wanted = ["yes" if row[0] >= 0.5 else "no" for row in found("told.json")["outputs"]]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == wanted


def test_other_data_is_evaluated_whole() -> None:
    train("--data", write_pair())
    np.savez("other.npz", X=X[:7], y=CLASSES[:7])
    report = evaluated("--data", "other.npz")
    assert (report["test_samples"], report["same_data"]) == (7, False)


def test_training_goes_on_with_the_scaling_it_began_with(capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", write_pair(), "--seed", "3")
    whole = train(*data, "--epochs", "4")
    Path("run.state").unlink()
    train(*data, "--epochs", "2")
    assert run("train", "--resume", "run.state", "--epochs", "4", "--json", "resumed.json") == 0
    assert "to the last bit" in capsys.readouterr().out
    assert found("resumed.json")["weights_sha256"] == whole["weights_sha256"]
    assert run("train", "--resume", "run.state", "--epochs", "5", "--scale", "minmax") == 2
    assert "was saved with its data's --scale, which stands" in capsys.readouterr().err
    np.save("X.npy", X * 2)
    assert run("train", "--resume", "run.state", "--epochs", "5") == 2
    assert "is not the data that run.state was trained on" in capsys.readouterr().err
    assert run("train", "--resume", "run.state", "--epochs", "5", "--skip-data-pass") == 0
    assert "data that was not compared" in capsys.readouterr().out


def test_checkpointing_changes_no_bit_on_such_data_and_comparing_shows_it() -> None:
    path = write_table()
    table = ("--data", path, "--target", "price", "--drop", "kind", "--validation", "0.2")
    compare = ("compare", *table, "--sizes", "12x4", *SMALL[2:], "--checkpoint", "every:2", "--figure", "c.png")
    assert run(*compare, "--json", "c.json") == 0
    rows = found("c.json")["runs"]
    assert [row["weights"] for row in rows] == ["identical", "identical"]
    assert all(row["measured_peak_bytes"] == row["predicted_peak_bytes"] for row in rows)
    assert rows[0]["settings"]["sizes"] == [8, 12, 12, 12, 12, 1]


def test_images_in_colour_are_told_from_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    images = RANDOM.integers(0, 50, (80, 5, 4, 3), dtype=np.uint8)
    labels = np.arange(80) % 2
    images[labels == 1, :, :, 2] = 255
    np.savez("colour.npz", X=images, y=np.array(["dull", "blue"])[labels])
    assert run("train", "--data", "colour.npz", *SMALL[:-2], "--save", "run.state", "--json", "found.json") == 0
    assert found()["settings"]["sizes"] == [60, 12, 2]
    Image.fromarray(images[1]).save("one.png")
    Image.fromarray(images[1]).resize((8, 10)).save("large.png")
    capsys.readouterr()
    for name in ("one.png", "large.png"):
        assert run("predict", "run.state", name, "--json", f"{name}.json") == 0
    said = capsys.readouterr()
    assert "large.png: resized from 8 x 10 to 4 x 5 pixels" in said.err
    np.save("one.npy", images[1])
    assert run("predict", "run.state", "one.npy", "--json", "npy.json") == 0
    assert found("one.png.json")["outputs"] == found("npy.json")["outputs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--sizes", "6,12,2"],
            "sizes 6,12,2 begin as the data does, which has 6 inputs and 3 outputs, and",
        ),
        (["--sizes", "5,12,3"], "sizes 5,12,3 end as the data does"),
        (["--sizes", "in,12,2"], "has 3 classes, the last layer 2 units"),
        (["--test", "0"], "--test is the share of rows held out, above 0 and below 1; found 0.0"),
        (["--validation", "1"], "--validation is the share of rows held out, 0 or more"),
        (["--scale", "max"], "--scale takes none, 255, standard, minmax; found 'max'"),
        (["--targets", "words"], "--targets takes classes, values"),
        (["--skip-data-pass"], "--scale standard is fitted on the pass that --skip-data-pass leaves out"),
        (["--batch-size", "241"], "the mini-batch size must be at most the 240 samples"),
        (["--target", "kind", "--data", "none.csv"], "'none.csv': can't be read"),
    ],
)
@pytest.mark.parametrize("command", ["train", "compare"])
def test_wrong_options_are_one_line(
    command: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if command == "compare" and arguments[0] == "--batch-size":
        pytest.skip("a comparison's runs say so")
    assert run(command, "--data", write_pair(), *SMALL, *arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1


def test_sizes_may_say_that_all_of_them_are_hidden() -> None:
    assert train("--data", write_pair(), "--sizes", "in,6,3,out")["settings"]["sizes"] == [6, 6, 3, 3]
    Path("run.state").unlink()
    assert train("--data", write_pair(), "--sizes", "6,7,3")["settings"]["sizes"] == [6, 7, 3]


def test_what_a_state_has_no_room_for_is_found_before_the_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpoint.runs.states.resumption.MAX_TEXT", 400)
    assert run("train", "--data", write_pair(), *SMALL, "--save", "run.state") == 2
    assert "what is to be saved of X.npy,y.npy takes" in capsys.readouterr().err
    assert not Path("run.state").exists()


@pytest.mark.parametrize(
    "changed", [{"features": 5, "shape": [5]}, {"outputs": 4, "classes": [0, 1, 2, 3]}, {"shape": []}, {"classes": [2]}]
)
def test_state_that_says_what_does_not_fit_its_network_is_refused(
    changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    train("--data", write_pair(), "--scale", "none")
    network, state = load_state("run.state")
    said = json.dumps({**json.loads(state.notes["preparation"]), **changed})
    save_state("other.state", network, state.progress, notes={**state.notes, "preparation": said})
    capsys.readouterr()
    assert (run("predict", "other.state", "X.npy"), run("evaluate", "other.state")) == (2, 2)
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all("other.state: " in line and "damaged" in line for line in errors)


@pytest.mark.parametrize(("value", "said"), [(1e39, "holds 1e+39, more than float32 can"), (np.nan, "is NaN")])
def test_targets_that_no_network_takes_are_refused_before_any_step(
    value: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pair(np.where(np.arange(300) == 299, value, VALUES))
    for skip in ([], ["--skip-data-pass"]):
        assert run("train", "--sizes", "5", "--epochs", "1", "--data", data, *skip) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"mlp-checkpointing: error: {data}: targets: row 299 (from 0) {said}")


@pytest.mark.parametrize(
    ("drop", "said"),
    [("kind", "--target and --drop both name 'kind'"), ("a,b, a", "--drop names 'a' twice; name each column once")],
)
def test_column_that_is_named_twice_is_refused(drop: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", *SMALL, "--data", write_table(), "--target", "kind", "--drop", drop) == 2
    assert said in capsys.readouterr().err


def test_export_says_what_of_the_data_stays_behind(capsys: pytest.CaptureFixture[str]) -> None:
    train("--data", write_table(), "--target", "kind")
    capsys.readouterr()
    assert run("export", "run.state", "w.safetensors", "--json", "found.json") == 0
    assert found()["left_out"] == ["the scaling of inputs", "the names of classes", "the names of columns"]
    said = "nor what run.state has of its data: the scaling of inputs, the names of classes and the names of columns;"
    assert said in capsys.readouterr().out
    Path("run.state").unlink()
    train("--data", write_pair(), "--scale", "none")
    assert run("export", "run.state", "w.safetensors", "--json", "found.json") == 0
    assert found()["left_out"] == []
    assert "nor what" not in capsys.readouterr().out
