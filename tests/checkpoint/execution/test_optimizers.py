"""Optimizers under plans: the bits of plain backpropagation, the bytes that were predicted, and states that go on."""

import gc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import mlp.pieces
from checkpoint import BudgetError, NetworkWithCheckpointing, every_nth, load, micro_batches, simulate
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.planning.planned import keeps_bits
from checkpoint.runs.record import rest_bytes
from mlp import Network, StateError, load_state, read_state, restore_state, save_state
from mlp.optimizers import SGD, Adam, Nesterov, optimizer_text
from tests.conftest import compiled_only, parameters_of, same_bits

SIZES = (20, 33, 17, 40, 26, 5)
EACH = ("sgd:l2=0.01", "sgd:clip=0.01", "adam", "adam:clip=0.02", "adamw", "rmsprop", "adagrad")
each = pytest.mark.parametrize("optimizer", EACH)
SMALL = replace(every_nth(n_layers=5, n=2), pieces="small", planned_rows=150)
"""In pieces of 6 rows of a gradient, by `small_pieces`."""
FEW_ROWS = 20, 20, 7
WAYS = ("every second layer", "small pieces", "smallest plan")


def state_of(network):
    pairs = (pair for kept in network.optimizer_state.values() for pair in kept)
    return [np.array(network.backend.to_numpy(array)) for pair in pairs for array in pair]


def data(rows, dtype="float32"):
    random = np.random.default_rng(4)
    return random.random((rows, SIZES[0])).astype(dtype), np.eye(SIZES[-1], dtype=dtype)[np.arange(rows) % SIZES[-1]]


def steps(network, rows=(150, 150, 40), n=20):
    X, y = data(max(rows), network.dtype)
    for number in range(n):
        count = rows[number % len(rows)]
        network.update_mini_batch(X[:count], y[:count], eta=0.01)
    return network


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(mlp.pieces, "PIECE_FLOPS", 1)
    monkeypatch.setattr(mlp.pieces, "GRADIENT_ROWS", 6)


def smallest(optimizer, backend, rows=FEW_ROWS[0]):
    """The least budget that a plan is made for."""
    network = NetworkWithCheckpointing(SIZES, budget_bytes=1, optimizer=optimizer, backend=backend)
    with pytest.raises(BudgetError) as caught:
        network.schedule_for(rows)
    least = caught.value.minimum_bytes
    del network, caught
    gc.collect()  # or its arrays would be freed while others are measured
    return least


@pytest.mark.parametrize(
    ("optimizer", "way"),
    [*(("adam", way) for way in WAYS), ("sgd:l2=0.01", "smallest plan"), ("rmsprop:clip=0.02", "small pieces")],
)
def test_twenty_steps_have_the_bits_of_plain_ones_and_the_bytes_predicted(small_pieces, optimizer, way, metered):
    if way == "smallest plan":
        arguments = {"budget_bytes": smallest(optimizer, metered)}
    else:
        arguments = {"schedule": SMALL} if way == "small pieces" else {"checkpoint_every_nth_layer": 2}
    plain = steps(Network(SIZES, optimizer=optimizer, backend=metered, activation="tanh"), FEW_ROWS)
    network = VerifyingNetwork(SIZES, optimizer=optimizer, backend=metered, activation="tanh", **arguments)
    steps(network, FEW_ROWS)  # raises where a byte is not as predicted
    keeps = keeps_bits(network.schedule_for(FEW_ROWS[0]), network.chain(FEW_ROWS[0]))
    assert keeps or way != "every second layer"
    if keeps:
        assert same_bits(parameters_of(network), parameters_of(plain))
        assert same_bits(state_of(network), state_of(plain))


@each
@compiled_only
def test_row_blocks_have_the_bits_of_whole_mini_batches(optimizer, dtype):
    arguments = {"optimizer": optimizer, "dtype": dtype}
    plain = steps(Network(SIZES, **arguments), (300, 150, 40))
    network = NetworkWithCheckpointing(SIZES, schedule=micro_batches(n_layers=5, batch_size=300, rows=128), **arguments)
    steps(network, (300, 150, 40))
    assert same_bits(parameters_of(network), parameters_of(plain))
    assert same_bits(state_of(network), state_of(plain))


@each
@compiled_only
def test_program_of_a_plan_has_the_bits_of_its_actions(small_pieces, optimizer, dtype):
    arguments = {"optimizer": optimizer, "budget_bytes": 2 * smallest(optimizer, "numpy", 150), "dtype": dtype}
    program, actions = (NetworkWithCheckpointing(SIZES, **arguments) for _ in range(2))
    steps(program)
    with actions.observing(lambda *_: None):
        steps(actions)
    assert (program.count.actions, actions.count.calls) == (0, 0)
    assert same_bits(parameters_of(program), parameters_of(actions))
    assert same_bits(state_of(program), state_of(actions))


def test_clipping_is_priced_as_a_whole_gradient(small_pieces):
    """In small pieces a step holds a few rows of a gradient; with clipping, all of them."""
    clipped, free = (
        NetworkWithCheckpointing(SIZES, schedule=SMALL, optimizer=name).chain(150) for name in ("adam:clip=1", "adam")
    )
    rows = [chain.in_pieces("small").piece_rows(2, 150)[0] for chain in (clipped, free)]
    assert rows == [SIZES[1], 6]
    assert simulate(SMALL, clipped).peak_bytes > simulate(SMALL, free).peak_bytes


@pytest.mark.parametrize(("optimizer", "kept"), [("sgd:l2=0.1", 0), ("rmsprop", 1), ("adam", 2)])
def test_state_counts_in_rest(optimizer, kept):
    values = sum(n_in * n_out + n_out for n_in, n_out in pairwise(SIZES))
    network = Network(SIZES, optimizer=optimizer)
    held = network.cost_total.nbytes + 4 * 10 * (SIZES[0] + SIZES[-1])
    assert rest_bytes(network, 10) == 4 * values * (1 + kept) + held


@pytest.mark.parametrize("kind", [Network, NetworkWithCheckpointing])
def test_another_optimizer_later_is_what_is_used_then(small_pieces, kind):
    arguments = {"schedule": SMALL} if kind is NetworkWithCheckpointing else {}
    network, wanted = (kind(SIZES, initialization="scaled", **arguments) for _ in range(2))
    X, y = data(20)
    for each_one in (network, wanted):
        each_one.update_mini_batch(X, y, eta=0.1)
    network.use_optimizer(Adam(clip=0.01))
    assert (network.steps_trained, network.momentum) == (0, 0.0)
    fresh = kind(SIZES, optimizer=Adam(clip=0.01), **arguments)
    fresh.weights, fresh.biases = wanted.weights, wanted.biases
    for each_one in (network, fresh):
        for _ in range(3):
            each_one.update_mini_batch(X, y, eta=0.01)
    assert same_bits(parameters_of(network), parameters_of(fresh))
    assert same_bits(state_of(network), state_of(fresh))


# Saved and restored


@each
@pytest.mark.parametrize("kind", [Network, NetworkWithCheckpointing])
def test_saved_network_goes_on_to_the_last_bit(optimizer, kind, tmp_path):
    arguments = {"checkpoint_every_nth_layer": 2} if kind is NetworkWithCheckpointing else {}
    whole, parted = (kind(SIZES, optimizer=optimizer, **arguments) for _ in range(2))
    steps(whole, n=7)
    steps(parted, n=3)
    parted.save(tmp_path / "net.state")
    again = load(tmp_path / "net.state")
    assert (type(again), again.steps_trained) == (kind, 3)
    assert optimizer_text(again.optimizer) == optimizer
    X, y = data(150)
    for number in range(3, 7):
        count = (150, 150, 40)[number % 3]
        again.update_mini_batch(X[:count], y[:count], eta=0.01)
    assert again.steps_trained == whole.steps_trained == 7
    assert same_bits(parameters_of(again), parameters_of(whole))
    assert same_bits(state_of(again), state_of(whole))


def test_arguments_of_the_optimizer_are_saved(tmp_path):
    for optimizer in (Adam(beta1=0.7, clip=0.5), Nesterov(momentum=0.8, l2=0.1), SGD(momentum=0.5)):
        network = Network(SIZES, optimizer=optimizer)
        save_state(tmp_path / "net.state", network)
        loaded, state = load_state(tmp_path / "net.state")
        assert loaded.optimizer == network.optimizer or vars(loaded.optimizer) == vars(network.optimizer)
        assert state.momentum == getattr(optimizer, "momentum", 0.0)


@pytest.mark.parametrize("other", ["sgd", "adagrad", "nesterov"])
def test_state_of_another_optimizer_is_refused(other, tmp_path):
    save_state(tmp_path / "net.state", Network(SIZES, optimizer="rmsprop"))
    network = Network(SIZES, optimizer=other, momentum=0.9 if other == "nesterov" else 0.0)
    with pytest.raises(StateError, match="or another optimizer"):
        restore_state(tmp_path / "net.state", network)


def test_optimizer_of_one_s_own_is_not_saved(tmp_path):
    class Own:
        state_names = ()

        def apply(self, backend, w, g, state, rate): ...

    network = Network(SIZES)
    network.use_optimizer(Own())
    with pytest.raises(StateError, match=r"its optimizer cannot be saved: .*got Own"):
        network.save(tmp_path / "net.state")
    assert not (tmp_path / "net.state").exists()


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ('"adam"', '"adam:beta1=2"', "beta1 must be at least 0 and below 1"),
        ('"adam"', '"adaq"', "unknown optimizer 'adaq'"),
        ('"optimizer": "adam"', '"optimizer": null', "optimizer cannot be None"),
        ('"steps_trained": 0', '"steps_trained": -1', "steps_trained cannot be -1"),
    ],
)
def test_state_that_says_no_optimizer_is_refused(was, becomes, message, tmp_path):
    path = tmp_path / "net.state"
    save_state(path, Network([3, 2], optimizer="adam"))
    was, becomes = was.replace('"', '\\"'), becomes.replace('"', '\\"')
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(was.encode(), becomes.encode())
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    with pytest.raises(StateError, match=message):
        read_state(path)
