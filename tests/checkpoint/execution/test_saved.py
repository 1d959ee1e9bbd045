"""A network that checkpoints is saved and loaded as one: with its schedule or budget, and in the bytes of before."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint import CheckpointError, NetworkWithCheckpointing, load, micro_batches, plan, simulate
from checkpoint.commands import program
from checkpoint.execution import arguments
from mlp import Network, StateError, load_state, read_state, save_state
from mlp.errors import StateWarning
from mlp.saving.layout import MAX_METADATA_BYTES
from tests.checkpoint.offloading import all_offloaded
from tests.conftest import parameters_of, same_bits

SIZES = [12, *[16] * 9, 4]
ROWS = 40
NETWORK = {"activation": "tanh", "momentum": 0.5, "seed": 3, "initialization": "scaled"}


def batch() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.random((ROWS, 12), "float32"), np.eye(4, dtype="float32")[random.integers(4, size=ROWS)]


def budget() -> int:
    return plan(SIZES, batch_size=ROWS, budget_bytes="40%").budget_bytes


WAYS: dict[str, dict[str, Any]] = {
    "every n-th": {"checkpoint_every_nth_layer": 3},
    "schedule": {"schedule": plan(SIZES, batch_size=ROWS, budget_bytes="50%").schedule},
    "row blocks": {"schedule": micro_batches(n_layers=10, batch_size=ROWS, rows=16)},
    "budget": {"budget_bytes": budget()},
    "budget as text": {"budget_bytes": "40%"},
    "budget of NumPy's": {"budget_bytes": np.int64(budget())},
    "plan": {"schedule": plan(SIZES, batch_size=ROWS, budget_bytes="50%")},
}


def peak_of_a_step(network: Network) -> int:
    with network.backend.measure() as usage:
        network.update_mini_batch(*batch(), eta=0.1)
    return usage.peak_bytes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trained", [False, True])
def test_loaded_network_goes_on_as_the_saved_one_in_its_bytes(way: str, trained: bool, tmp_path: Path) -> None:
    network = NetworkWithCheckpointing(SIZES, **WAYS[way], **NETWORK)
    if trained:
        network.update_mini_batch(*batch(), eta=0.1)
    network.save(tmp_path / "net.state")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(tmp_path / "net.state")
    assert isinstance(loaded, NetworkWithCheckpointing)
    assert loaded.schedule_for(ROWS) == network.schedule_for(ROWS)
    assert same_bits(parameters_of(loaded), parameters_of(network))
    assert peak_of_a_step(loaded) == peak_of_a_step(network)
    assert same_bits(parameters_of(loaded), parameters_of(network))


def test_plain_network_stays_plain(tmp_path: Path) -> None:
    Network(SIZES, **NETWORK).save(tmp_path / "net.state")
    assert type(load(tmp_path / "net.state")) is Network
    with pytest.raises(CheckpointError, match="is of a plain network, which does not offload; give one of"):
        load(tmp_path / "net.state", offload=str(tmp_path))
    assert isinstance(load(tmp_path / "net.state", checkpoint_every_nth_layer=2), NetworkWithCheckpointing)


def test_plain_load_says_what_it_drops(tmp_path: Path) -> None:
    NetworkWithCheckpointing(SIZES, budget_bytes=12345).save(tmp_path / "net.state")
    with pytest.warns(StateWarning, match=r"budget_bytes 12345.*checkpoint\.load brings it back"):
        network, _ = load_state(tmp_path / "net.state")
    assert type(network) is Network


def test_another_way_replaces_the_saved_one(tmp_path: Path) -> None:
    NetworkWithCheckpointing(SIZES, checkpoint_every_nth_layer=3).save(tmp_path / "net.state")
    loaded = load(tmp_path / "net.state", budget_bytes=budget())
    assert isinstance(loaded, NetworkWithCheckpointing)
    assert loaded.budget_bytes == budget()


def test_saved_plan_is_followed_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NetworkWithCheckpointing(SIZES, budget_bytes=budget())
    schedule = network.schedule_for(ROWS)
    network.save(tmp_path / "net.state")
    monkeypatch.setattr("checkpoint.execution.scheduled.plan_chain", None)
    loaded = load(tmp_path / "net.state")
    assert isinstance(loaded, NetworkWithCheckpointing)
    assert loaded.schedule_for(ROWS) == schedule


def test_plan_that_is_not_of_this_budget_is_not_followed() -> None:
    network = NetworkWithCheckpointing(SIZES, budget_bytes=budget())
    schedule = network.schedule_for(ROWS)
    smaller = NetworkWithCheckpointing(SIZES, budget_bytes=simulate(schedule, network.chain(ROWS)).peak_bytes - 1)
    assert not smaller.use_plan(schedule, batch_size=ROWS)
    assert not network.use_plan(all_offloaded(10), batch_size=ROWS)
    assert not network.use_plan(micro_batches(n_layers=10, batch_size=8, rows=4), batch_size=ROWS)
    assert not NetworkWithCheckpointing(SIZES, schedule=schedule).use_plan(schedule, batch_size=ROWS)
    assert network.use_plan(schedule, batch_size=ROWS)


def test_place_to_offload_to_is_never_taken_from_a_file(tmp_path: Path) -> None:
    place, state = tmp_path / "place", tmp_path / "net.state"
    place.mkdir()
    network = NetworkWithCheckpointing(SIZES, schedule=all_offloaded(10), offload=place)
    network.save(state)
    assert str(place) not in read_state(state).to_json()
    with pytest.raises(CheckpointError, match="give offload, the path of a file or a folder"):
        load(state)
    loaded = load(state, offload=place)
    assert peak_of_a_step(loaded) == peak_of_a_step(network)


def test_schedule_that_is_too_long_is_asked_for_and_a_plan_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "MAX_CHARACTERS", 100)
    for name in ("schedule", "budget"):
        network = NetworkWithCheckpointing(SIZES, **WAYS[name])
        network.schedule_for(ROWS)
        network.save(tmp_path / f"{name}.state")
    with pytest.raises(StateError, match="too long to be saved; give it, as schedule"):
        load(tmp_path / "schedule.state")
    assert isinstance(load(tmp_path / "schedule.state", **WAYS["schedule"]), NetworkWithCheckpointing)
    loaded = load(tmp_path / "budget.state")
    assert isinstance(loaded, NetworkWithCheckpointing)
    assert loaded.schedule_for(ROWS).n_layers == 10


def test_longest_schedules_fit_into_a_state(tmp_path: Path) -> None:
    rows, layers = 2**16, 200
    blocks = micro_batches(n_layers=layers, batch_size=rows, rows=rows // 64)
    assert arguments.MAX_CHARACTERS // 2 < len(blocks.to_json()) <= arguments.MAX_CHARACTERS
    network = NetworkWithCheckpointing([3] * (layers + 1), schedule=blocks)
    network.save(tmp_path / "net.state")
    assert (tmp_path / "net.state").stat().st_size < MAX_METADATA_BYTES
    loaded = load(tmp_path / "net.state")
    assert isinstance(loaded, NetworkWithCheckpointing)
    assert loaded.schedule_for(rows) == blocks


GOOD = WAYS["schedule"]["schedule"].to_json()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ({"schedule": "nonsense"}, "its schedule cannot be read"),
        ({"schedule": "[" * 10_000}, "its schedule cannot be read"),
        ({"schedule": ""}, "too long to be saved"),
        ({"schedule": GOOD.replace('"n_layers": 10', '"n_layers": 9')}, "9 layers"),
        ({"budget_bytes": "-5"}, "its budget is no number of bytes"),
        ({"budget_bytes": "9" * 5000}, "its budget is no number of bytes"),
        ({"budget_bytes": "0"}, "budget_bytes must be"),
        ({"budget_bytes": "99999", "plans": "nonsense"}, "its plans cannot be read"),
        ({"budget_bytes": "99999", "plans": "[[1]]"}, "its plans cannot be read"),
        ({"budget_bytes": "99999", "plans": '{"a": 1}'}, "its plans cannot be read"),
        ({"budget_bytes": "99999", "plans": '[[1, "x"]]'}, "its schedule cannot be read"),
        ({"budget_bytes": "99999", "plans": "[" * 10_000}, "its plans cannot be read"),
        ({"budget_bytes": "99999", "plans": f"[[0, {json.dumps(GOOD)}]]"}, "its plans cannot be read"),
        ({"budget_bytes": "99999", "plans": f"[[1e999, {json.dumps(GOOD)}]]"}, "its plans cannot be read"),
        ({"budget_bytes": "99999", "plans": f"[[true, {json.dumps(GOOD)}]]"}, "its plans cannot be read"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_arguments_that_are_none_are_one_line(text: dict[str, str], problem: str, tmp_path: Path) -> None:
    class Says(Network):
        @property
        def saved_arguments(self) -> dict[str, str]:
            return {"class": "NetworkWithCheckpointing", **text}

    Says(SIZES).save(tmp_path / "net.state")
    with pytest.raises((StateError, CheckpointError), match=problem) as caught:
        load(tmp_path / "net.state")
    assert str(caught.value).isprintable()


def test_arguments_of_another_class_make_a_plain_network(tmp_path: Path) -> None:
    class Another(Network):
        @property
        def saved_arguments(self) -> dict[str, str]:
            return {"class": "Another", "colour": "blue"}

    Another(SIZES).save(tmp_path / "net.state")
    assert type(load(tmp_path / "net.state")) is Network


# By the commands


@pytest.mark.parametrize("how", [["--checkpoint", "every:2"], ["--budget", "60%"]], ids=" ".join)
def test_what_a_training_run_saves_is_loaded_with_its_bytes(how: list[str], tmp_path: Path) -> None:
    state, report = tmp_path / "run.state", tmp_path / "run.json"
    train = ["train", "--data", "sample", "--sizes", "784,32x8,10", "--batch-size", "500", "--epochs", "1"]
    assert program.main([*train, *how, "--save", str(state), "--json", str(report)]) == 0
    loaded = load(state)
    assert isinstance(loaded, NetworkWithCheckpointing)
    predicted = simulate(loaded.schedule_for(500), loaded.chain(500)).peak_bytes
    assert predicted == json.loads(report.read_text())["measured_peak_bytes"]


def test_resumed_run_follows_the_plans_of_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "run.state"
    train = ["train", "--data", "sample", "--sizes", "784,32x8,10", "--batch-size", "500", "--epochs"]
    assert program.main([*train, "1", "--budget", "60%", "--save", str(state)]) == 0
    monkeypatch.setattr("checkpoint.execution.scheduled.plan_chain", None)
    assert program.main(["train", "--resume", str(state), "--epochs", "2"]) == 0


def test_state_of_the_first_format_brings_its_checkpointing_too(tmp_path: Path) -> None:
    states = Path(__file__).parents[2] / "mlp" / "saving" / "format1"
    found = {path.name: type(load(path)).__name__ for path in states.glob("*.state")}
    assert found
    for name, kind in found.items():
        state = read_state(states / name)
        assert (kind == "NetworkWithCheckpointing") == bool(state.arguments)


def test_state_without_a_training_is_loaded(tmp_path: Path) -> None:
    save_state(tmp_path / "net.state", Network(SIZES, seed=5))
    assert same_bits(parameters_of(load(tmp_path / "net.state")), parameters_of(Network(SIZES, seed=5)))
