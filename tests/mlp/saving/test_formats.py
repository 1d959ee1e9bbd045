"""Saved states of an earlier format, written by the program as it was then: they are read, and go on in the same way.

`format1/` was written before there was a format 2, and so on; `sha256.json` in each has the digests of the parameters
that went in.
"""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from mlp import Network, Progress, load_state, read_state, restore_state, save_state
from mlp.data.values.scaling import Scaling
from mlp.errors import StateWarning
from tests.conftest import parameters_of, same_bits

FORMAT_1, FORMAT_2, FORMAT_3 = (Path(__file__).parent / name for name in ("format1", "format2", "format3"))
DIGESTS = json.loads((FORMAT_1 / "sha256.json").read_text())
DIGESTS_2 = json.loads((FORMAT_2 / "sha256.json").read_text())
DIGESTS_3 = json.loads((FORMAT_3 / "sha256.json").read_text())


def digest(network: Network) -> str:
    arrays = [*network.weights, *network.biases, *(v for pair in network.velocities for v in pair)]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


@pytest.mark.parametrize("name", DIGESTS)
def test_state_of_format_1_is_read_to_the_last_bit(name):
    network, _ = load_state(FORMAT_1 / name, plain=True)
    assert digest(network) == DIGESTS[name]


def test_facts_of_format_1_are_read_and_those_it_lacked_follow_from_its_program():
    plain, momentum, run = (read_state(FORMAT_1 / f"{name}.state") for name in ("plain", "momentum", "run"))
    assert (plain.progress, plain.epochs_trained, plain.scaling, plain.arguments) == (None, 0, None, {})
    assert momentum.progress == Progress(3, 1, 5, 4, 0.5, True, 12, "ab" * 32)
    assert (momentum.epochs_trained, momentum.activation, momentum.notes["why"]) == (2, "tanh", "é")
    assert (run.epochs_trained, run.scaling) == (1, Scaling(255.0))
    assert (run.optimizer, run.steps_trained) == (
        "sgd",
        run.progress.step + -(-run.progress.n_samples // run.progress.mini_batch_size),
    )
    assert run.arguments == {"checkpoint": "optimal", "budget": "1MiB"}


@pytest.mark.parametrize("name", DIGESTS_2)
def test_state_of_format_2_is_read_to_the_last_bit(name):
    network, _ = load_state(FORMAT_2 / name, plain=True)
    assert digest(network) == DIGESTS_2[name]


def test_facts_of_format_2_are_read_and_steps_follow_from_its_progress():
    plain, momentum, planned = (read_state(FORMAT_2 / f"{name}.state") for name in ("plain", "momentum", "planned"))
    assert (plain.optimizer, plain.steps_trained, plain.epochs_trained, plain.scaling) == ("sgd", 0, 2, Scaling(16.0))
    assert (momentum.optimizer, momentum.momentum, momentum.kept) == ("sgd", 0.9, ("velocity",))
    assert momentum.steps_trained == 2 * 4 + 1  # 20 samples by 6, epoch 3, step 1
    assert set(planned.arguments) == {"class", "budget_bytes", "plans"}


def test_state_of_format_1_is_saved_again_in_the_newest(tmp_path):
    network, state = load_state(FORMAT_1 / "momentum.state")
    save_state(tmp_path / "again.state", network, state.progress)
    again, facts = load_state(tmp_path / "again.state")
    assert digest(again) == DIGESTS["momentum.state"]
    assert (facts.epochs_trained, again.epochs_trained) == (2, 2)


def test_output_activation_that_formats_1_and_2_lacked_is_that_of_the_cost_or_of_the_others():
    for folder in (FORMAT_1, FORMAT_2):
        for path in folder.glob("*.state"):
            state = read_state(path)
            own = {"cross-entropy": "softmax", "quadratic": state.activation}[state.cost]
            assert (state.output_activation, load_state(path, plain=True)[0].output_activation) == (own, own)


# What format 2 has beside


def test_count_of_epochs_and_scaling_are_saved(tmp_path):
    data = np.random.default_rng(0).random((20, 4), np.float32), np.arange(20) % 3
    whole, network = Network([4, 5, 3]), Network([4, 5, 3])
    whole.SGD(data, 3, 5, 0.5)
    network.SGD(data, 2, 5, 0.5)
    network.scaling = Scaling(16.0)
    saved = save_state(tmp_path / "net.state", network)
    loaded, state = load_state(tmp_path / "net.state")
    assert state == saved
    assert (loaded.epochs_trained, loaded.scaling) == (2, Scaling(16.0))
    loaded.SGD(data, 1, 5, 0.5)
    assert same_bits(parameters_of(loaded), parameters_of(whole))


@pytest.mark.parametrize("name", DIGESTS_3)
def test_state_of_format_3_is_read_to_the_last_bit_and_is_in_full(name):
    network, state = load_state(FORMAT_3 / name, plain=True)
    assert digest(network) == DIGESTS_3[name]
    assert (state.precision, network.precision) == ("full", "full")
    assert state.optimizer.startswith("adam")
    assert state.steps_trained == 2


class Frugal(Network):
    """A class that needs more than `Network`'s arguments."""

    saved_arguments = {"class": "Frugal", "budget_bytes": "4096"}  # noqa: RUF012


def test_what_a_plain_network_cannot_take_is_named_and_not_lost(tmp_path):
    save_state(tmp_path / "net.state", Frugal([4, 3]))
    with pytest.warns(StateWarning, match=r"class Frugal, budget_bytes 4096; this is a plain.*checkpoint\.load"):
        network, state = load_state(tmp_path / "net.state")
    assert type(network) is Network
    assert state.arguments == Frugal.saved_arguments
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_state(tmp_path / "net.state", plain=True)
        restore_state(tmp_path / "net.state", Frugal([4, 3]))
        load_state(FORMAT_1 / "plain.state")


def test_run_of_format_1_that_was_planned_says_so():
    with pytest.warns(StateWarning, match="saved with checkpoint optimal, budget 1MiB"):
        load_state(FORMAT_1 / "run.state")
