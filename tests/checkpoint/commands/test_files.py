"""No output takes the place of what a command reads, however that is named; and names that no file can have."""

import re
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from checkpoint.commands import program as command_line

LONG = "a" * 256
TRAIN = ("train", "--data", "d.npz", "--sizes", "3", "--epochs", "1", "--batch-size", "10")


@pytest.fixture
def folder(tmp_path, monkeypatch, made):
    """A folder of its own with the files of `made`, as working folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A .npz, a pair, an IDX folder, and the state of a training on each."""
    folder = tmp_path_factory.mktemp("made")
    X, y = np.random.default_rng(0).integers(0, 256, (40, 2, 2)).astype(np.uint8), (np.arange(40) % 2).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        np.savez("d.npz", X=X, y=y)
        np.save("X.npy", X)
        np.save("y.npy", y)
        Path("idx").mkdir()
        for part in ("train", "t10k"):
            Path(f"idx/{part}-images-idx3-ubyte").write_bytes(
                bytes.fromhex("00000803 00000028 00000002 00000002") + X.tobytes()
            )
            Path(f"idx/{part}-labels-idx1-ubyte").write_bytes(bytes.fromhex("00000801 00000028") + y.tobytes())
        for name, data in (("d", "d.npz"), ("pair", "X.npy,y.npy"), ("idx", "idx")):
            assert command_line.main([*TRAIN, "--data", data, "--save", f"{name}.state"]) == 0
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "options",
    [
        ("evaluate", "d.state", "--json", "d.npz"),
        ("evaluate", "pair.state", "--json", "X.npy"),
        ("evaluate", "pair.state", "--json", "y.npy"),
        ("evaluate", "pair.state", "--data", "X.npy,y.npy", "--json", "./y.npy"),
        ("evaluate", "idx.state", "--json", "idx/t10k-images-idx3-ubyte"),
        (*TRAIN, "--data", "X.npy,y.npy", "--json", "X.npy"),
        (*TRAIN, "--data", "idx", "--json", "idx/train-labels-idx1-ubyte"),
        (*TRAIN, "--save", "new", "--keep", "2", "--json", "new.2"),
        ("train", "--resume", "d.state", "--epochs", "2", "--json", "d.npz"),
        ("train", "--resume", "idx.state", "--epochs", "2", "--save", "idx/t10k-labels-idx1-ubyte"),
        ("compare", "--data", "X.npy,y.npy", "--sizes", "3", "--checkpoint", "every:1", "--json", "y.npy"),
    ],
    ids=" ".join,
)
def test_data_is_never_written_over(made, options, monkeypatch, capsys):
    monkeypatch.chdir(made)  # where the states say that the data is
    before = digests(made)
    assert command_line.main(list(options)) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert digests(made) == before


def test_an_output_beside_the_data_is_written_again(folder):
    for _ in range(2):
        assert command_line.main(["evaluate", "idx.state", "--json", "idx/report.json"]) == 0


def test_older_states_take_no_other_file_s_place(folder, capsys):
    shutil.copy("d.npz", "new.1")
    before = digests(folder)
    assert command_line.main([*TRAIN, "--save", "new", "--keep", "2"]) == 2
    assert "new.1 is there, and --keep 2 would overwrite it; move it away" in capsys.readouterr().err
    shutil.copy("d.npz", "d.state.1")
    assert command_line.main(["train", "--resume", "d.state", "--epochs", "2", "--keep", "2"]) == 2
    assert re.search("--keep: d.state.1: .* moves no other file along, move it away", capsys.readouterr().err)
    Path("d.state.1").unlink()
    assert digests(folder) == before


def test_file_that_older_states_would_come_to_later_is_seen_before_the_training(folder, capsys):
    Path("new.2").write_text("mine")
    Path("d.state.3").write_text("mine")
    before = digests(folder)
    assert command_line.main([*TRAIN, "--save", "new", "--keep", "2"]) == 2
    assert "new.2 is there, and --keep 2 would overwrite it; move it away" in capsys.readouterr().err
    assert command_line.main(["train", "--resume", "d.state", "--epochs", "9", "--keep", "3"]) == 2
    assert re.search("--keep: d.state.3: .* moves no other file along, move it away", capsys.readouterr().err)
    assert digests(folder) == before
    assert command_line.main(["train", "--resume", "d.state", "--epochs", "2", "--keep", "2"]) == 0


def test_older_states_of_the_same_training_are_put_aside(folder):
    for epochs in (2, 3, 4):
        assert command_line.main(["train", "--resume", "d.state", "--epochs", str(epochs), "--keep", "2"]) == 0
    assert sorted(path.name for path in folder.glob("d.state*")) == ["d.state", "d.state.1", "d.state.2"]


def test_name_that_leaves_no_room_for_older_states_is_found_before_the_training(folder, capsys):
    before = digests(folder)
    assert command_line.main([*TRAIN, "--save", "a" * 254, "--keep", "2"]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert digests(folder) == before


@pytest.mark.parametrize(
    "options",
    [
        *((*TRAIN, option, LONG) for option in ("--save", "--json", "--figure", "--resume", "--data")),
        (*TRAIN, "--json", f"{LONG}/a"),
        (*TRAIN, "--data", f"{LONG}.npy,{LONG}.npy"),
        (*TRAIN, "--checkpoint", f"{LONG}.json"),
        (*TRAIN, "--checkpoint", "every:1", "--offload", LONG),
        ("evaluate", LONG),
        ("evaluate", "d.state", "--json", LONG),
        ("evaluate", "d.state", "--data", LONG),
        ("predict", LONG, "X.npy"),
        ("predict", "d.state", LONG),
        ("predict", "d.state", "X.npy", "--json", LONG),
        ("export", "d.state", LONG),
        ("import", LONG, "new", "--activation", "relu"),
        ("plan", "--chain", LONG, "--budget", "50%"),
        *(("plan", "--sizes", "4,4,2", "--budget", "99%", option, LONG) for option in ("--json", "--page", "--arena")),
        ("compare", "--figure", LONG),
        ("analyze", "--figure", LONG),
    ],
    ids=lambda options: " ".join(options).replace(LONG, "LONG"),
)
def test_name_longer_than_any_file_s_is_one_line(folder, options, capsys):
    before = digests(folder)
    assert command_line.main(list(options)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "File name too long" in said
    assert digests(folder) == before
