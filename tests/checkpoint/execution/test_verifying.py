"""Steps that check themselves: each kind of thing that may go wrong is shown to them, and must be refused."""

import json
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing, Schedule, every_nth, segmented, store_all
from checkpoint.commands import program as command_line
from checkpoint.errors import VerificationError
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.schedule.actions import Backward, Forward, Release

SIZES = (6, 5, 4, 5, 3)
ROWS = 7

# Layers 1 to 4 forward, a_2 kept; 3 and 4 backward; then layer 1 again for the rest.
RECOMPUTING = Schedule(
    4,
    (
        *(Forward(1), Forward(2), Release(1), Forward(3), Forward(4), Backward(4), Backward(3)),
        *(Forward(1), Backward(2), Backward(1)),
    ),
    "recomputing",
)


def batch(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.random((ROWS, SIZES[0])).astype(dtype), np.eye(SIZES[-1], dtype=dtype)[random.integers(3, size=ROWS)]


def schedules() -> list[Schedule]:
    rows = tuple(
        action for start, stop in ((0, 4), (4, 7)) for action in (Forward(4, (start, stop)), Backward(4, (start, stop)))
    )
    blocked = Schedule(
        4, (Forward(1), Forward(2), Forward(3), *rows, Backward(3), Backward(2), Backward(1)), "blocked", ROWS
    )
    halves = ((0, 4), (4, 7))
    filled = tuple(Forward(layer, half, whole=layer == 2) for half in halves for layer in (1, 2))
    released = tuple(
        action
        for half, pair in zip(halves, (filled[:2], filled[2:]), strict=True)
        for action in (*pair, Release(1, half))
    )
    again = (
        Forward(3),
        Forward(4),
        Backward(4),
        Release(2),
        *released,
        Backward(3),
        Forward(1),
        Backward(2),
        Backward(1),
    )
    filling = Schedule(4, (*released, *again), "filling", ROWS)
    return [store_all(n_layers=4), every_nth(n_layers=4, n=2), RECOMPUTING, blocked, filling]


@pytest.mark.parametrize("schedule", schedules(), ids=lambda schedule: schedule.name)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_good_steps_pass_and_give_the_same_weights(schedule, momentum, metered, dtype):
    backend = metered
    options = {"schedule": schedule, "momentum": momentum, "backend": backend, "dtype": dtype}
    plain, verified = NetworkWithCheckpointing(SIZES, **options), VerifyingNetwork(SIZES, **options)
    X, y = batch(dtype)
    for _ in range(3):
        for net in (plain, verified):
            net.update_mini_batch(backend.asarray(X), backend.asarray(y), eta=0.5)
    for W, V in zip(plain.weights, verified.weights, strict=True):
        assert backend.to_numpy(W).tobytes() == backend.to_numpy(V).tobytes()


def change(array: np.ndarray) -> None:
    """Write to an array although it is read-only, as C code with its address could."""
    array.flags.writeable = True
    array[1, 2] += 1
    array.flags.writeable = False


def activations_of(net: NetworkWithCheckpointing) -> list[Callable[[], np.ndarray]]:
    """References to a_1, a_2, ... as a step of `net` makes them; they keep none of them alive."""
    made: list[Callable[[], np.ndarray]] = []
    plain = net.new_activation

    def record(layer: int, a: np.ndarray) -> np.ndarray:
        activation = plain(layer, a)
        made.append(weakref.ref(activation))
        return activation

    net.new_activation = record
    return made


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_stored_activation_that_changes_is_an_error_that_names_the_layer(layer):
    net = VerifyingNetwork(SIZES, schedule=store_all(n_layers=4))
    made = activations_of(net)

    def spoil(position: int, action: object) -> None:
        if action == Forward(4):
            change(made[layer - 1]())

    with (
        net.observing(spoil),
        pytest.raises(VerificationError, match=f"a_{layer} changed after it was stored") as caught,
    ):
        net.update_mini_batch(*batch(), eta=0.5)
    assert caught.value.layer == layer


def test_error_that_changes_between_backward_steps_is_found():
    net = VerifyingNetwork(SIZES, schedule=store_all(n_layers=4))
    made = activations_of(net)

    def spoil(position: int, action: object) -> None:
        if action == Backward(3):
            made[1]()[0, 0] = 5.0  # which holds delta_2 now

    with net.observing(spoil), pytest.raises(VerificationError, match="delta_2 changed after it was stored"):
        net.update_mini_batch(*batch(), eta=0.5)


def test_callback_that_writes_to_a_stored_activation_is_stopped_without_verify_too():
    net = NetworkWithCheckpointing(SIZES, schedule=store_all(n_layers=4))
    made = activations_of(net)

    def write(position: int, action: object) -> None:
        if action == Forward(3):
            made[0]()[0, 0] = 5.0

    with net.observing(write), pytest.raises(ValueError, match="read-only"):
        net.update_mini_batch(*batch(), eta=0.5)


def test_weights_that_change_before_a_recomputation_are_found():
    net = VerifyingNetwork(SIZES, schedule=RECOMPUTING)

    def spoil(position: int, action: object) -> None:
        if action == Backward(3):
            net.weights[0][0, 0] += 1

    with (
        net.observing(spoil),
        pytest.raises(VerificationError, match="a_1, recomputed, is not the a_1 of the forward pass") as caught,
    ):
        net.update_mini_batch(*batch(), eta=0.5)
    assert caught.value.layer == 1


def test_array_that_somebody_keeps_is_found():
    net = VerifyingNetwork(SIZES, schedule=store_all(n_layers=4))
    kept: list[np.ndarray] = []
    with (
        net.observing(lambda position, action: kept.append(np.empty(1000, "float32"))),
        pytest.raises(VerificationError, match=r"after action 1, F2: \d+ bytes above rest, predicted \d+"),
    ):
        net.update_mini_batch(*batch(), eta=0.5)


@pytest.mark.parametrize("checkpoint", ["none", "every:2"])
def test_verified_run_is_the_run(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = ["train", "--data", "sample", "--sizes", "784,9x5,10", "--batch-size", "900", "--epochs", "1"]
    train += ["--checkpoint", checkpoint]
    assert command_line.main([*train, "--json", "plain.json"]) == 0
    assert command_line.main([*train, "--json", "verified.json", "--verify"]) == 0
    assert "(as predicted)" in capsys.readouterr().out
    records = [json.loads(Path(path).read_text()) for path in ("plain.json", "verified.json")]
    assert records[0]["weights_sha256"] == records[1]["weights_sha256"]


def test_failed_verification_is_status_1_and_one_line(tmp_path, monkeypatch, capsys):
    def fail(*_: object, **how: object) -> None:
        raise VerificationError("found")

    monkeypatch.setattr("checkpoint.execution.verifying.VerifyingNetwork.update_mini_batch", fail)
    assert command_line.main(["train", "--data", "sample", "--sizes", "784,10", "--verify"]) == 1
    assert (
        capsys.readouterr().err
        == "mlp-checkpointing: error: before the first step was done: found; nothing was saved\n"
    )


def test_segments_with_row_blocks_pass():
    segment = segmented(n_layers=4, checkpoints=(2,))
    net = VerifyingNetwork(SIZES, schedule=segment)
    net.update_mini_batch(*batch(), eta=0.5)
