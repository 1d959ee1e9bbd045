"""Ranks that offload activations: each to a file of its own, with the bits and bytes that are predicted."""

import pytest

from checkpoint import plan
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.planning.offloading import Offloading
from checkpoint.schedule.actions import Offload
from mlp import Network
from tests.checkpoint.ranks.test_ranks_on_threads import STEPS, trained
from tests.checkpoint.ranks.threads import on_threads
from tests.conftest import compiled_only, parameters_of, same_bits

pytestmark = compiled_only
SIZES = (9, 8, 8, 8, 8, 3)


@pytest.mark.parametrize("place", ["", "activations"])
@pytest.mark.parametrize("cut", [{}, {"block_rows": 128}])
def test_weights_are_those_of_one_process_and_bytes_are_as_predicted(tmp_path, place, cut):
    alone = trained(Network(SIZES, momentum=0.5), STEPS, "float32")

    def work(link):
        how = {"checkpoint_every_nth_layer": 1, "momentum": 0.5, "offload": tmp_path / place}
        return trained(NetworkOnRanks(SIZES, link=link, **how, **cut), STEPS, "float32")

    for network in on_threads(3, work):
        assert same_bits(parameters_of(network), parameters_of(alone))
        assert network.transfers.asked_bytes == network.predicted_host_bytes(max(STEPS))
        assert network.transfers.asked_bytes > 0 or network.own_rows(max(STEPS)) == 0
    assert list(tmp_path.iterdir()) == []


def test_plans_are_made_with_the_rates_of_rank_0(tmp_path):
    sizes, rows = (32,) * 10, 384
    fast = Offloading(1e12, 1e9)
    least = plan(sizes, batch_size=128, budget_bytes="40%", offloading=fast, row_blocks=False)
    assert any(isinstance(action, Offload) for action in least.schedule)

    def work(link):
        rates = fast if link.rank == 0 else Offloading(1.0, 1e12)  # by which nothing would be offloaded
        how = {"budget_bytes": "55%", "offload": tmp_path, "offloading": rates}
        network = NetworkOnRanks(sizes, link=link, **how)
        trained(network, (rows,), "float32")
        return network.part(rows).wave.schedule, network.transfers.asked_bytes, network.predicted_host_bytes(rows)

    found = on_threads(3, work)
    assert len({schedule for schedule, *_ in found}) == 1
    for _, asked, predicted in found:
        assert asked == predicted > 0
