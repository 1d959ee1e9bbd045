"""`export` and `import`: what goes out comes back with the same accuracy, and what is wrong is said in one line."""

import json
from pathlib import Path

import pytest

from mlp import load_state
from tests.checkpoint.commands.test_commands import TINY, run
from tests.checkpoint.reports import described, keys_of


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from checkpoint.commands.program import main

    path = tmp_path_factory.mktemp("exchange") / "run.state"
    assert main([*map(str, ["train", *TINY, "--save", path])]) == 0
    return path


@pytest.mark.parametrize("library", ["torch", "keras"])
def test_network_that_goes_out_and_comes_back_is_as_accurate(
    library: str, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, again = tmp_path / "w.safetensors", tmp_path / "again.state"
    reports = [tmp_path / name for name in ("export.json", "import.json", "one.json", "other.json")]
    status, out, _ = run(capsys, "export", state, weights, "--for", library, "--json", reports[0])
    assert (status, "not in the file: sigmoid" in out) == (0, True)
    assert run(capsys, "import", weights, again, "--activation", "sigmoid", "--json", reports[1])[0] == 0
    for path, report in ((state, reports[2]), (again, reports[3])):
        assert run(capsys, "evaluate", path, "--data", "sample", "--json", report)[0] == 0
    exported, imported, one, other = (json.loads(path.read_text(encoding="utf-8")) for path in reports)
    assert (one["test_accuracy"], one["test_cost"]) == (other["test_accuracy"], other["test_cost"])
    assert (keys_of(exported), keys_of(imported)) == (described("export"), described("import"))
    assert len(exported["names"]) == 2 * (len(imported["sizes"]) - 1)


def test_output_activation_is_imported_with(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, again = tmp_path / "w.safetensors", tmp_path / "again.state"
    assert run(capsys, "export", state, weights)[0] == 0
    assert run(capsys, "import", weights, again, "--activation", "relu", "--output-activation", "identity")[0] == 0
    network = load_state(again)[0]
    assert [network.layer_activation(layer) for layer in (1, network.n_layers)] == ["relu", "identity"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "STATE", "STATE"], "PATH and TARGET both name"),
        (["export", "STATE", "w", "--for", "onnx"], "unknown form 'onnx'; choose torch or keras"),
        (["export", "STATE", "no/w"], "cannot write"),
        (["export", "no", "w"], "can't be read"),
        (["import", "STATE", "w.state", "--activation", "sigmoid"], "holds no weights of dense layers"),
        (["import", "no", "w.state", "--activation", "sigmoid"], "can't be read"),
        (["import", "STATE", "w.state"], "--activation"),
    ],
)
def test_wrong_input_is_named_in_one_line(
    arguments: list[str], said: str, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *[str(state) if word == "STATE" else word for word in arguments])
    assert status == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
