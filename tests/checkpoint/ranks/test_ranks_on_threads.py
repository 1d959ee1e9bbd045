"""Networks on ranks, on threads that deliver late: the weights of one process, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp.pieces
from checkpoint import CheckpointError, every_nth, store_all
from checkpoint.execution.ranks.network import NetworkOnRanks
from mlp import Network, TrainingError
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


def trained(network, steps, dtype):
    for rows in steps:
        network.update_mini_batch(*data(network.sizes, rows, dtype), eta=0.5)
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
)
def test_weights_are_those_of_one_process(small_pieces, ranks, seed, sizes, dtype, optimizer, block_rows, every):
    arguments = {"dtype": dtype, "optimizer": optimizer, "seed": seed, "activation": "tanh"}
    alone = trained(Network(sizes, **arguments), STEPS, dtype)
    n = len(sizes) - 1
    schedule = every_nth(n_layers=n, n=every) if every else store_all(n_layers=n)

    def work(link):
        network = NetworkOnRanks(sizes, link=link, block_rows=block_rows, schedule=schedule, **arguments)
        return trained(network, STEPS, dtype)

    networks = on_threads(ranks, work, seed=seed)
    for network in networks:
        assert same_bits(parameters_of(network), parameters_of(alone))
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


def test_number_that_is_not_finite_is_named_and_ends_all():
    sizes = (4, 5, 3)

    def work(link):
        network = NetworkOnRanks(sizes, link=link)
        X, y = data(sizes, 300)
        y[299, 0] = np.nan
        network.update_mini_batch(X, y, eta=1.0)

    with pytest.raises(TrainingError, match="layer 2"):
        on_threads(3, work)


def test_clipping_is_refused_by_ranks():
    with pytest.raises(CheckpointError, match="clipping needs the whole gradient of a layer"):
        on_threads(2, lambda link: NetworkOnRanks((4, 5, 3), link=link, optimizer="adam:clip=1"))


def test_backend_whose_sums_depend_on_the_cut_is_refused():
    from backend.numpy.uncompiled import UncompiledNumpy

    with pytest.raises(CheckpointError, match="compiled"):
        on_threads(2, lambda link: NetworkOnRanks((4, 3), link=link, backend=UncompiledNumpy()))


def test_one_rank_is_a_network_as_ever():
    (network,) = on_threads(1, lambda link: trained(NetworkOnRanks((4, 3), link=link), STEPS, "float32"))
    assert same_bits(parameters_of(network), parameters_of(trained(Network((4, 3)), STEPS, "float32")))
    assert network.sent_bytes == 0
