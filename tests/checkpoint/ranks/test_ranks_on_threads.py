"""Networks on ranks, on threads that deliver late: the weights of one process, to the last bit."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp.pieces
from checkpoint import CheckpointError, every_nth, load, store_all
from checkpoint.execution.ranks.handing import hand_back, take_over
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.ranks.saving import restore_on_ranks
from mlp import EarlyStopping, Network, StateError, TrainingError
from mlp.optimizers import SGD, Adam
from tests.checkpoint.ranks.threads import on_threads
from tests.conftest import compiled_only, parameters_of, same_bits

pytestmark = compiled_only
STEPS = (300, 300, 1, 129, 256, 20)
"""Rows of the mini-batches: uneven ones, and such as leave ranks without any."""


@pytest.fixture
def small_pieces(monkeypatch):
    """Layers of several items."""
    monkeypatch.setattr(mlp.pieces, "PIECE_FLOPS", 1)
    monkeypatch.setattr(mlp.pieces, "GRADIENT_ROWS", 5)


def data(sizes, rows, dtype="float32"):
    random = np.random.default_rng(1)
    return random.random((rows, sizes[0])).astype(dtype), np.eye(sizes[-1], dtype=dtype)[np.arange(rows) % sizes[-1]]


def trained(network, steps, dtype, *, weighted=False):
    for rows in steps:
        weights = np.arange(rows) % 5.0 if weighted else None
        network.update_mini_batch(*data(network.sizes, rows, dtype), eta=0.5, weights=weights)
    return network


def state_of(networks, name):
    """The state of each layer, which its owner has."""
    owners = enumerate(networks[0].owners)
    return [array for k, owner in owners for array in networks[owner].optimizer_state[name][k]]


@settings(max_examples=25)
@given(
    ranks=st.integers(2, 5),
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5).map(tuple),
    dtype=st.sampled_from(("float32", "float64")),
    optimizer=st.sampled_from(("sgd", SGD(momentum=0.9), "adam", "rmsprop", Adam(clip=0.01, weight_decay=0.1))),
    block_rows=st.sampled_from((None, None, 128)),
    every=st.integers(0, 3),
    dropout=st.sampled_from((0.0, 0.4)),
    weighted=st.booleans(),
)
def test_weights_and_costs_are_those_of_one_process(
    small_pieces, ranks, seed, sizes, dtype, optimizer, block_rows, every, dropout, weighted
):
    arguments = {"dtype": dtype, "optimizer": optimizer, "seed": seed, "activation": "tanh", "dropout": dropout}
    alone = trained(Network(sizes, **arguments), STEPS, dtype, weighted=weighted)
    n = len(sizes) - 1
    schedule = every_nth(n_layers=n, n=every) if every else store_all(n_layers=n)

    def work(link):
        network = NetworkOnRanks(sizes, link=link, block_rows=block_rows, schedule=schedule, **arguments)
        return trained(network, STEPS, dtype, weighted=weighted), network.mean_step_cost()

    networks, costs = zip(*on_threads(ranks, work, seed=seed), strict=True)
    for network in networks:
        assert same_bits(parameters_of(network), parameters_of(alone))
    assert set(costs) == {alone.mean_step_cost()}
    for name, pairs in alone.optimizer_state.items():
        assert same_bits(state_of(networks, name), [array for pair in pairs for array in pair])
    assert {network.steps_trained for network in networks} == {alone.steps_trained}


def test_shares_cut_elsewhere_than_at_chunks_end_elsewhere(monkeypatch):
    """The control: were shares not whole chunks, the weights would be others."""
    import checkpoint.ranks.cutting

    sizes = (9, 8, 3)
    alone = trained(Network(sizes), (300,) * 8, "float32")
    monkeypatch.setattr(checkpoint.ranks.cutting, "CHUNK_ROWS", 100)
    networks = on_threads(3, lambda link: trained(NetworkOnRanks(sizes, link=link), (300,) * 8, "float32"))
    assert not same_bits(parameters_of(networks[0]), parameters_of(alone))
    assert same_bits(parameters_of(networks[0]), parameters_of(networks[1]))


def test_training_through_SGD_has_the_order_of_one_process():
    sizes, n = (6, 7, 3), 700
    X, y = data(sizes, n)
    alone = Network(sizes, momentum=0.5)
    alone.SGD((X, y), 2, 300, 0.5)

    def work(link):
        network = NetworkOnRanks(sizes, link=link, momentum=0.5)
        network.SGD((X, y), 2, 300, 0.5)
        return network

    for network in on_threads(3, work):
        assert same_bits(parameters_of(network), parameters_of(alone))


EVERYTHING = {
    "class_weight": "balanced",
    "label_smoothing": 0.1,
    "validation_split": 0.2,
    "early_stopping": EarlyStopping(2, metric="validation_accuracy"),
}


@pytest.mark.parametrize("ranks", [2, 4])
def test_all_that_SGD_takes_ends_as_in_one_process(tmp_path, ranks):
    sizes, n = (6, 9, 3), 1000
    X, y = data(sizes, n)
    np.save(tmp_path / "X.npy", X)
    X, labels = np.load(tmp_path / "X.npy", mmap_mode="r"), (y.argmax(1) * (X[:, 0] > 0.5)).astype(int)
    how = {"cost": "cross-entropy", "dropout": 0.3, "optimizer": "adam", "seed": 5}

    def train(network):
        history = network.SGD(
            (X, labels), 8, 290, 0.05, test_data=(X[:300], labels[:300]), sample_weight=np.arange(n) % 4.0, **EVERYTHING
        )
        return network, [replace(record, seconds=0, batch_seconds=0, evaluation_seconds=0) for record in history]

    alone, expected = train(Network(sizes, **how))
    assert len(expected) < 8
    for network, history in on_threads(ranks, lambda link: train(NetworkOnRanks(sizes, link=link, **how))):
        assert same_bits(parameters_of(network), parameters_of(alone))
        assert history == expected


def test_weights_of_other_samples_end_elsewhere():
    """The control: weights matter, and so does which sample has which."""
    sizes = (6, 9, 3)
    X, y = data(sizes, 300)
    ends = set()
    for weights in (None, np.arange(300.0), np.arange(300.0)[::-1]):

        def work(link, weights=weights):
            network = NetworkOnRanks(sizes, link=link)
            network.update_mini_batch(X, y, eta=1.0, weights=weights)
            return network

        ends |= {network.weights[0].tobytes() for network in on_threads(2, work)}
    assert len(ends) == 3


def test_training_goes_from_one_process_to_ranks_and_back():
    sizes, how = (6, 7, 7, 3), {"optimizer": "adam", "dropout": 0.2}
    alone, whole = (trained(Network(sizes, **how), STEPS, "float32") for _ in range(2))

    def work(link):
        network = copy.deepcopy(alone)
        ranked = NetworkOnRanks(sizes, link=link, **how)
        take_over(ranked, network)
        trained(ranked, (300, 129), "float32")
        hand_back(ranked, network)
        return trained(network, (256,), "float32")

    trained(whole, (300, 129, 256), "float32")
    for network in on_threads(3, work):
        assert same_bits(parameters_of(network), parameters_of(whole))
        for name, pairs in whole.optimizer_state.items():
            ours = [array for pair in network.optimizer_state[name] for array in pair]
            assert same_bits(ours, [array for pair in pairs for array in pair])
        assert network.steps_trained == whole.steps_trained


def test_saved_state_is_that_of_one_process(tmp_path):
    sizes, how = (6, 7, 7, 3), {"momentum": 0.5, "dropout": 0.2}
    alone = trained(Network(sizes, **how), STEPS, "float32", weighted=True)

    def work(link):
        network = trained(NetworkOnRanks(sizes, link=link, **how), STEPS, "float32", weighted=True)
        network.save(tmp_path / "ranks.state")
        again = NetworkOnRanks(sizes, link=link, **how)
        restore_on_ranks(tmp_path / "ranks.state", again)
        for array in (a for pair in again.velocities for a in pair):
            assert array.size == 0 or array.any()
        return trained(again, (300,), "float32", weighted=True)

    networks = on_threads(4, work)
    loaded = load(tmp_path / "ranks.state")
    assert same_bits(parameters_of(loaded), parameters_of(alone))
    pairs = [[a for pair in network.velocities for a in pair] for network in (loaded, alone)]
    assert same_bits(*pairs)
    trained(alone, (300,), "float32", weighted=True)
    assert all(same_bits(parameters_of(network), parameters_of(alone)) for network in networks)
    assert networks[0].steps_trained == alone.steps_trained


def test_state_that_rank_0_cannot_write_ends_in_an_error_on_all(tmp_path):
    (tmp_path / "file").write_text("")
    problems = []

    def work(link):
        network = NetworkOnRanks((6, 7, 3), link=link, momentum=0.5)
        with pytest.raises(StateError):
            network.save(tmp_path / "file" / "ranks.state")
        problems.append(link.rank)

    on_threads(3, work)
    assert sorted(problems) == [0, 1, 2]


def test_network_on_ranks_is_not_copied():
    (network,) = on_threads(1, lambda link: NetworkOnRanks((4, 3), link=link))
    with pytest.raises(CheckpointError, match="save it"):
        copy.deepcopy(network)


def test_number_that_is_not_finite_is_named_and_ends_all():
    sizes = (4, 5, 3)

    def work(link):
        network = NetworkOnRanks(sizes, link=link)
        X, y = data(sizes, 300)
        y[299, 0] = np.nan
        network.update_mini_batch(X, y, eta=1.0)

    with pytest.raises(TrainingError, match="layer 2"):
        on_threads(3, work)


def test_backend_whose_sums_depend_on_the_cut_is_refused():
    from backend.numpy.uncompiled import UncompiledNumpy

    with pytest.raises(CheckpointError, match="compiled"):
        on_threads(2, lambda link: NetworkOnRanks((4, 3), link=link, backend=UncompiledNumpy()))


def test_one_rank_is_a_network_as_ever():
    (network,) = on_threads(1, lambda link: trained(NetworkOnRanks((4, 3), link=link), STEPS, "float32"))
    assert same_bits(parameters_of(network), parameters_of(trained(Network((4, 3)), STEPS, "float32")))
    assert network.sent_bytes == 0
