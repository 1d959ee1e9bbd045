"""Steps that the host does not wait for: what the device refuses, and when the host says so."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import Backend
from mlp import Adam, Network, TrainingError, restore_state, train
from tests.conftest import Case, parameters_of, same_bits
from tests.mlp.steps_on_gpu import CASE, OPTIMIZERS, SCHEDULES, network_of

pytestmark = pytest.mark.gpu


def states_of(network: Network) -> list[np.ndarray]:
    kept = [a for pairs in network.optimizer_state.values() for pair in pairs for a in pair]
    return [*parameters_of(network), *(np.array(network.backend.to_numpy(a)) for a in kept)]


def spoilt(backend: Backend, where: str) -> tuple[Any, Any]:
    """A mini-batch with a NaN in the last row of X or y, on the device."""
    X, y = CASE.host_batch("float32")
    (X if where == "X" else y)[-1, 1] = np.nan
    return backend.asarray(X), backend.asarray(y)


@pytest.mark.parametrize("warm", [0, 3], ids=["first step", "recorded step"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_refused_step_leaves_weights_and_is_named_when_the_next_begins(
    cupy: Backend, schedule: str, optimizer: str, warm: int
) -> None:
    network = network_of(cupy, SCHEDULES[schedule], **OPTIMIZERS[optimizer])
    good = CASE.batch(cupy, "float32")
    for _ in range(warm):
        network.update_mini_batch(*good, eta=0.1)
    before = states_of(network)
    network.update_mini_batch(*spoilt(cupy, "y"), eta=0.1)
    spoils = optimizer == "momentum" and schedule == "row blocks"
    own = states_of(network)
    assert same_bits(before[:8], own[:8])
    assert spoils or same_bits(before, own)
    with pytest.raises(
        TrainingError, match=rf"^step {warm + 1}: the error of layer 4 is not finite any more"
    ) as caught:
        network.update_mini_batch(*good, eta=0.1)
    assert (caught.value.layer, caught.value.step, caught.value.ago) == (4, warm + 1, 1)
    assert network.steps_trained == warm
    assert network.velocities_are_spoilt == spoils
    assert same_bits(before[:8], states_of(network)[:8])
    network.update_mini_batch(*good, eta=0.1)
    network.look(wait=True)
    assert not same_bits(before[:8], states_of(network)[:8])


def test_inputs_that_nobody_checked_are_found_in_the_first_layer_s_output(cupy: Backend) -> None:
    network = network_of(cupy)
    with network.trusting_inputs():
        network.update_mini_batch(*spoilt(cupy, "X"), eta=0.1)
    with pytest.raises(TrainingError, match="the output of layer 1 is not finite any more"):
        network.look(wait=True)


@pytest.mark.parametrize("steps", [1, 4])
def test_steps_after_a_refused_one_are_refused_however_far_the_host_is_ahead(
    cupy: Backend, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    network, good = network_of(cupy), CASE.batch(cupy, "float32")
    for _ in range(3):
        network.update_mini_batch(*good, eta=0.1)
    before = states_of(network)
    network.update_mini_batch(*spoilt(cupy, "y"), eta=0.1)
    with monkeypatch.context() as patch:
        patch.setattr(Network, "look", lambda *_, **__: None)  # as if the device had not come so far
        for _ in range(steps):
            network.update_mini_batch(*good, eta=0.1)
    assert same_bits(before, states_of(network))
    with pytest.raises(TrainingError, match=r"^step 4: ") as caught:
        network.look()
    assert caught.value.ago == steps + 1
    assert network.steps_trained == 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_error_that_overflows_leaves_its_layer_and_those_below(cupy: Backend, optimizer: str) -> None:
    case = Case((4, 3, 3, 2), 6, "identity")
    network = network_of(cupy, case=case, **OPTIMIZERS[optimizer])
    for k in range(3):
        network.weights[k][...], network.biases[k][...] = 0, 0
    network.weights[2][...] = 3e38
    X, y = case.host_batch("float32")
    network.update_mini_batch(cupy.asarray(X), cupy.asarray(-100 * np.ones_like(y)), eta=1e-3)
    after = parameters_of(network)
    assert not any(after[k].any() for k in (0, 1, 3, 4))
    assert after[5].all()  # layer 3 is above
    with pytest.raises(TrainingError, match="the error of layer 2 is not finite") as caught:
        network.look(wait=True)
    assert caught.value.layer == 2


def test_training_names_epoch_and_step_of_the_bad_one(cupy: Backend) -> None:
    X, y = CASE.host_batch("float32")
    batches = [(X[k : k + 4], y[k : k + 4]) for k in range(0, 20, 4)]

    class Data:
        finite = True

        def __init__(self, bad: int) -> None:
            self.bad = bad

        def __len__(self) -> int:
            return 20

        def take(self, rows: slice) -> tuple[Any, Any]:
            number = rows.start // 4
            a, b = (np.array(part) for part in batches[number])
            if number == self.bad:
                b[0, 0] = np.nan
            return cupy.asarray(a), cupy.asarray(b)

    for bad in (0, 2, 4):
        network = network_of(cupy)
        with pytest.raises(TrainingError, match=rf"^epoch 1, step {bad + 1}: the error of layer 4") as caught:
            train(network, Data(bad), epochs=2, mini_batch_size=4, eta=0.1, shuffle=False)
        assert (caught.value.epoch, caught.value.step) == (1, bad + 1)
        assert network.steps_trained == bad


def test_state_is_not_saved_after_a_bad_step_nobody_knows_of(cupy: Backend, tmp_path: Path) -> None:
    network = network_of(cupy)
    network.save(tmp_path / "good")
    network.update_mini_batch(*spoilt(cupy, "y"), eta=0.1)
    with pytest.raises(TrainingError, match=r"^step 1: "):
        network.save(tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    network.save(tmp_path / "same")  # the weights are those of before
    network.update_mini_batch(*spoilt(cupy, "y"), eta=0.1)
    restore_state(tmp_path / "good", network)
    network.update_mini_batch(*CASE.batch(cupy, "float32"), eta=0.1)
    network.look(wait=True)
    assert network.steps_trained == 1


@pytest.mark.parametrize(
    "use",
    [copy.deepcopy, pickle.dumps, lambda network: network.use_optimizer(Adam())],
    ids=["copy", "pickle", "another optimizer"],
)
def test_bad_step_nobody_knows_of_is_in_no_copy_and_in_no_new_count(cupy: Backend, use: Callable[[Any], Any]) -> None:
    network, good = network_of(cupy), CASE.batch(cupy, "float32")
    network.update_mini_batch(*good, eta=0.1)
    network.update_mini_batch(*spoilt(cupy, "y"), eta=0.1)
    with pytest.raises(TrainingError, match=r"^step 2: "):
        use(network)
    assert network.steps_trained == 1
    use(network)  # the weights are those of before
    network.update_mini_batch(*good, eta=0.1)
    network.look(wait=True)


def test_backprop_that_somebody_calls_still_waits(cupy: Backend) -> None:
    network = network_of(cupy)
    with pytest.raises(TrainingError, match=r"^the error of layer 4 is not finite any more"):
        list(network.backprop(*spoilt(cupy, "y")))


def test_evaluation_watches_nothing(cupy: Backend) -> None:
    network = network_of(cupy)
    network.update_mini_batch(*CASE.batch(cupy, "float32"), eta=0.1)
    X, _ = spoilt(cupy, "X")
    assert np.isnan(cupy.to_numpy(network.feedforward(X))[-1]).all()
    network.look(wait=True)
