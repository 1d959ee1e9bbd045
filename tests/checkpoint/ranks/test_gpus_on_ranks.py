"""Ranks whose arrays are on a GPU, on threads: staged through pinned memory, or passed on as they are."""

import numpy as np
import pytest

from backend import select_backend
from checkpoint import NetworkWithCheckpointing, chain_of, micro_batches, store_all
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.ranks.planned import figures
from checkpoint.runs.ranks.together import print_gpus
from checkpoint.runs.states.resumption import row_blocks
from mlp.optimizers import Adam
from tests.checkpoint.ranks.test_ranks_on_threads import data
from tests.checkpoint.ranks.threads import on_threads
from tests.conftest import backend_called, same_bits

pytestmark = pytest.mark.gpu
SIZES, STEPS = (9, 12, 12, 3), (129, 300, 20)


def host(network):
    return [network.backend.to_numpy(a) for a in (*network.weights, *network.biases)]


def trained(network, steps=STEPS):
    for rows in steps:
        network.update_mini_batch(*data(SIZES, rows), eta=0.5)
    return host(network)


@pytest.fixture(autouse=True)
def _device():
    backend_called("cupy")


@pytest.mark.parametrize("direct", [False, True], ids=["staged", "direct"])
@pytest.mark.parametrize(
    ("how", "ranks"), [({"momentum": 0.9, "dropout": 0.2}, 3), ({"optimizer": Adam(clip=0.01)}, 2)]
)
def test_row_blocks_in_turns_have_the_bits_of_one_process_that_takes_them(direct, how, ranks):
    n = len(SIZES) - 1
    alone = NetworkWithCheckpointing(
        SIZES, schedule=micro_batches(n_layers=n, batch_size=max(STEPS), rows=128), backend="cupy", **how
    )
    expected = trained(alone)

    def work(link):
        network = NetworkOnRanks(SIZES, link=link, block_rows=128, backend=select_backend("cupy"), **how)
        found = trained(network)
        assert network.link.pinned_bytes == network.predicted_pinned_bytes(max(STEPS))
        assert (network.link.pinned_bytes == 0) is direct
        return found

    for found in on_threads(ranks, work, direct=direct):
        assert same_bits(found, expected)


@pytest.mark.parametrize("direct", [False, True], ids=["staged", "direct"])
def test_groups_of_rows_have_the_bits_of_one_process(direct):
    how = {"sum_groups": 3, "schedule": store_all(n_layers=3), "optimizer": "adam"}
    expected = trained(NetworkOnRanks(SIZES, link=Alone(), backend="cupy", **how))
    networks = on_threads(
        2, lambda link: trained(NetworkOnRanks(SIZES, link=link, backend="cupy", **how)), direct=direct
    )
    for found in networks:
        assert same_bits(found, expected)


def test_bytes_are_those_that_are_planned_on_device_and_host():
    rows, schedule = 300, store_all(n_layers=3)
    cases = [({}, {"momentum": 0.9}), ({"block_rows": 128}, {}), ({"sum_groups": 2}, {})]
    for cut, how in cases:
        planned = figures(schedule, chain_of(SIZES, batch_size=rows, backend="cupy", **how), 2, **cut)

        def work(link, cut=cut, how=how):
            network = NetworkOnRanks(SIZES, link=link, schedule=schedule, backend="cupy", **cut, **how)
            trained(network, (rows,))
            return network.link.pinned_bytes, network.predicted_peak_bytes(rows), network.sent_bytes

        for rank, found in zip(planned, on_threads(2, work), strict=True):
            assert (rank.pinned_bytes, rank.peak_bytes, rank.sent_bytes) == found


def test_array_that_nobody_has_spoken_of_arrives_too():
    """As the optimizer's state does when it is saved."""

    def work(link):
        backend = select_backend("cupy")
        network = NetworkOnRanks((4, 3), link=link, backend=backend)
        array = backend.asarray(np.full((5,), link.rank, "float32"))
        request = network.link.send(array, 1, 9) if link.rank == 0 else network.link.receive(array, 0, 9)
        while not request.test():
            pass
        return backend.to_numpy(array).tolist()

    assert on_threads(2, work) == [[0.0] * 5] * 2


def test_row_blocks_that_are_saved_tell_which_trainings_end_alike():
    n = len(SIZES) - 1
    schedule = micro_batches(n_layers=n, batch_size=300, rows=128)
    alone = row_blocks(NetworkWithCheckpointing(SIZES, schedule=schedule, backend="cupy"), 300, 1000)
    found = {
        (ranks, rows): on_threads(
            ranks,
            lambda link, rows=rows: row_blocks(
                NetworkOnRanks(SIZES, link=link, block_rows=rows, backend="cupy"), 300, 1000
            ),
        )[0]
        for ranks in (2, 3)
        for rows in (None, 128)
    }
    assert found[2, 128] == found[3, 128] == alone
    assert len({alone, found[2, None], found[3, None], ""}) == 4


def test_gpus_of_several_kinds_are_named(capsys):
    class Other(type(select_backend("cupy"))):
        device_name = "CUDA device 0, another GPU"

    def work(link):
        kind = Other if link.rank == 2 else type(select_backend("cupy"))
        print_gpus(link, NetworkOnRanks(SIZES, link=link, block_rows=128, backend=kind()))

    on_threads(3, work)
    shown = capsys.readouterr().out
    assert "the GPUs are of several kinds" in shown
    assert "and another GPU on rank 2: all ranks have the same weights, but their last bits depend on which" in shown
    assert "number of ranks" not in shown
