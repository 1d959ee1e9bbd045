"""Sums of groups of rows: bits of their own, which do not depend on the number of ranks."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint import CheckpointError, every_nth, store_all
from checkpoint.commands.program import main
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.network import NetworkOnRanks
from mlp import Network
from mlp.optimizers import SGD, Adam
from tests.checkpoint.ranks.test_ranks_on_threads import STEPS, data, small_pieces, state_of, trained
from tests.checkpoint.ranks.threads import on_threads
from tests.conftest import compiled_only, parameters_of, same_bits

__all__ = ["small_pieces"]
pytestmark = compiled_only


@settings(max_examples=10)
@given(
    ranks=st.integers(2, 5),
    groups=st.integers(2, 5),
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5).map(tuple),
    dtype=st.sampled_from(("float32", "float64")),
    optimizer=st.sampled_from(("sgd", SGD(momentum=0.9), Adam(clip=0.01, weight_decay=0.1))),
    every=st.integers(0, 3),
    dropout=st.sampled_from((0.0, 0.4)),
    weighted=st.booleans(),
)
def test_weights_are_those_of_one_process_with_as_many_groups(
    small_pieces, ranks, groups, seed, sizes, dtype, optimizer, every, dropout, weighted
):
    arguments = {"dtype": dtype, "optimizer": optimizer, "seed": seed, "activation": "tanh", "sum_groups": groups}
    arguments["dropout"] = dropout
    n = len(sizes) - 1
    arguments["schedule"] = every_nth(n_layers=n, n=every) if every else store_all(n_layers=n)
    steps = (*STEPS, 700)

    def work(link):
        network = NetworkOnRanks(sizes, link=link, **arguments)
        return trained(network, steps, dtype, weighted=weighted), network.mean_step_cost()

    alone, cost = work(Alone())
    networks, costs = zip(*on_threads(ranks, work, seed=seed), strict=True)
    for network in networks:
        assert same_bits(parameters_of(network), parameters_of(alone))
    assert set(costs) == {cost}
    for name, pairs in alone.optimizer_state.items():
        assert same_bits(state_of(networks, name), [array for pair in pairs for array in pair])


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_one_process_takes_the_bytes_that_are_predicted(groups):
    sizes = (9, 30, 30, 3)
    network = NetworkOnRanks(sizes, link=Alone(), sum_groups=groups, checkpoint_every_nth_layer=2, momentum=0.5)
    for rows in (700, 300, 1):
        network.reserve(700)
        X, y = data(sizes, rows)
        with network.backend.measure() as usage:
            network.update_mini_batch(X, y, eta=0.5)
        assert usage.peak_bytes == network.predicted_peak_bytes(rows)
    assert network.sent_bytes == 0


def test_other_groups_end_elsewhere():
    """The control: the order of additions is another one, so that equal bits say something."""
    sizes, steps = (9, 8, 3), (700,) * 8
    ends = [trained(Network(sizes), steps, "float32")]
    ends += [trained(NetworkOnRanks(sizes, link=Alone(), sum_groups=g), steps, "float32") for g in (2, 3, 5)]
    for k, network in enumerate(ends):
        for other in ends[:k]:
            assert not same_bits(parameters_of(network), parameters_of(other))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"sum_groups": 1}, "must be a whole number from 2 to 1024; got 1"),
        ({"sum_groups": True}, "must be a whole number from 2 to 1024; got True"),
        ({"sum_groups": 2, "block_rows": 128}, "sums of groups are for one share a rank"),
    ],
)
def test_groups_that_there_cannot_be_are_refused(how, problem):
    with pytest.raises(CheckpointError, match=re.escape(problem)):
        NetworkOnRanks((4, 3), link=Alone(), **how)


def test_command_refuses_what_goes_with_no_groups(capsys):
    for how, problem in (
        (("--checkpoint", "micro:128"), "sums of groups are for one share a rank"),
        (("--verify",), "leave it out, or --ranks and --sum-groups"),
    ):
        assert main(["train", "--data", "sample", "--sum-groups", "2", *how]) == 2
        assert problem in capsys.readouterr().err
