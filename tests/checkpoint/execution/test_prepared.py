"""A network loaded in Python treats raw values as the commands do, and says that it must be asked to."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from checkpoint import load
from checkpoint.commands.program import main
from mlp import Network, NetworkError, load_state
from mlp.data import DataError
from mlp.errors import StateWarning

RANDOM = np.random.default_rng(0)
SIZES = RANDOM.random(60) * 1000
COLOURS = np.array(["red", "blue"])[RANDOM.integers(2, size=60)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tables and states are, and the test stands."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(
        f"{size},{colour},{'cat' if size > 500 else 'dog'}\n" for size, colour in zip(SIZES, COLOURS, strict=True)
    )
    Path("table.csv").write_text("size,colour,kind\n" + rows)
    np.savez("raw.npz", X=SIZES.reshape(-1, 1), y=(SIZES > 500).astype(int))
    np.save("new.npy", SIZES.reshape(-1, 1))
    return tmp_path


def trained(*options: str) -> None:
    command = ["train", *options, "--sizes", "4", "--epochs", "2", "--batch-size", "10", "--save", "a.state"]
    assert main(command) == 0


def predicted(source: str) -> np.ndarray:
    """The outputs that `predict` writes."""
    assert main(["predict", "a.state", source, "--json", "found.json"]) == 0
    return np.array(json.loads(Path("found.json").read_text())["outputs"], "float32")


@pytest.mark.parametrize("how", [(), ("--checkpoint", "every:2")], ids=["plain", "checkpointing"])
def test_prepared_values_are_predicted_as_the_command_does(how: tuple[str, ...], folder: Path) -> None:
    trained("--data", "raw.npz", "--scale", "standard", *how)
    with pytest.warns(StateWarning, match=r"trained on columns scaled by 'standard'.*net\.prepare\(X\)") as caught:
        net = load("a.state")
    assert (len(caught), caught[0].filename) == (1, __file__)
    raw = SIZES.reshape(-1, 1)
    np.testing.assert_array_equal(net.predict(net.prepare(raw)), predicted("new.npy"))
    assert not np.array_equal(net.predict(raw), predicted("new.npy"))


def test_a_table_is_prepared_with_its_categories(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    trained("--data", "table.csv", "--target", "kind", "--scale", "minmax")
    with pytest.warns(StateWarning):
        net = load("a.state")
    table = pandas.read_csv("table.csv")
    np.testing.assert_array_equal(net.predict(net.prepare(table)), predicted("table.csv"))
    with pytest.raises(DataError, match="X: has no column 'size'"):
        net.prepare(table.drop(columns="size"))
    with pytest.raises(DataError, match=r"X: wanted raw numbers \(n, 3\), as the network was trained on"):
        net.prepare(np.zeros((4, 2)))
    with pytest.raises(DataError, match="X: is a masked array"):
        net.prepare(np.ma.masked_less(np.ones((4, 3)), 0))
    with pytest.raises(DataError, match="'green' is none of the 2 categories"):
        net.prepare(table.assign(colour="green"))


def test_it_outlives_another_save_and_a_copy(folder: Path) -> None:
    import copy

    trained("--data", "raw.npz", "--scale", "standard")
    with pytest.warns(StateWarning):
        net = load("a.state")
    copy.deepcopy(net).save("a.state")
    again, _ = load_state("a.state")
    raw = SIZES.reshape(-1, 1)
    np.testing.assert_array_equal(again.prepare(raw), net.prepare(raw))
    np.testing.assert_array_equal(predicted("new.npy"), net.predict(net.prepare(raw)))


def test_what_was_not_scaled_by_columns_says_nothing(folder: Path) -> None:
    trained("--data", "raw.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = load("a.state")
    np.testing.assert_array_equal(net.prepare(SIZES.reshape(-1, 1)), SIZES.reshape(-1, 1).astype("float32"))


def test_a_network_that_nobody_prepared_data_for_says_so() -> None:
    with pytest.raises(NetworkError, match="nothing is known of how this network's data was prepared"):
        Network([3, 2]).prepare(np.zeros((1, 3)))
