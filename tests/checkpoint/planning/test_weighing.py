"""What a search knows of a schedule without its actions: the simulator's sums, the placement's arena, the same cost."""

from dataclasses import dataclass
from random import Random

import pytest

from checkpoint import Backward, Chain, Forward, Schedule, simulate
from checkpoint.planning.costs import Flops, cost_of
from checkpoint.planning.weighing import weigh
from checkpoint.schedule.placement import place
from tests.checkpoint.schedules import KINDS, a_chain, a_schedule

SUMS = (
    "peak_bytes",
    "recomputed_layers",
    "recomputed_flops",
    "forward_flops",
    "recompute_fraction",
    "offloaded_bytes",
    "host_peak_bytes",
)


@dataclass(frozen=True)
class Seconds:
    """A cost whose sums depend on their order in the last bits."""

    chain: Chain

    def forward(self, layer: int, rows: int) -> float:
        return 1e-3 / 3 + self.chain.forward_flops(layer, rows) / 7e9

    def backward(self, layer: int, rows: int) -> float:
        return 2e-3 / 3 + self.chain.backward_flops(layer, rows) / 7e9


def one_by_one(schedule: Schedule, cost: Flops | Seconds) -> float:
    total: float = 0
    for action in schedule:
        if isinstance(action, Forward | Backward):
            start, stop = action.rows or (0, cost.chain.batch_size)
            run = cost.forward if isinstance(action, Forward) else cost.backward
            total += run(action.layer, stop - start)
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_all_actions(kind: str) -> None:
    for seed in range(60):
        random = Random(f"weighed {kind} {seed}")
        chain = a_chain(random, most_layers=10, most_rows=24)
        schedule = a_schedule(random, chain, kind)
        weight, simulation = weigh(schedule, chain), simulate(schedule, chain)
        assert [getattr(weight, name) for name in SUMS] == [getattr(simulation, name) for name in SUMS]
        assert weight.arena_bytes == place(schedule, chain).arena_bytes
        for cost in (Flops(chain), Seconds(chain)):
            assert cost_of(schedule, chain, cost) == one_by_one(schedule, cost)
