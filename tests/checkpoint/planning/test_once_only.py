"""The once-only front against exhaustive search over once-only schedules."""

from math import inf
from random import Random

import pytest

from checkpoint import Flops, simulate
from checkpoint.planning.programs.once_only import kept_actions, once_only
from tests.checkpoint.chains import random_budget, random_chain, schedule_of
from tests.checkpoint.exhaustive import interpret, least_recompute


@pytest.mark.parametrize("seed", range(8))
def test_equals_exhaustive_search_over_once_only_schedules(seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        chain = random_chain(random, most_layers=5)
        budget = random_budget(random, chain)
        front = once_only(chain, Flops(chain), budget_bytes=budget)
        assert (front[-1].cost if front else inf) == least_recompute(chain, budget, kind="once-only"), (chain, budget)


@pytest.mark.parametrize("drop", [True, False])
def test_every_point_of_the_front_is_what_its_schedule_takes(drop: bool) -> None:
    random = Random(5)
    for _ in range(200):
        chain = random_chain(random)
        front = once_only(chain, Flops(chain), drop=drop)
        assert front[-1].cost == 0
        for kept in front:
            schedule = schedule_of(chain, kept_actions(chain, kept))
            simulation = simulate(schedule, chain)
            assert (simulation.peak_bytes, simulation.recomputed_flops) == (kept.need_bytes, kept.cost)
            assert interpret(schedule, chain).peak_bytes == kept.need_bytes


def test_dropping_finds_what_a_fixed_stored_set_cannot() -> None:
    random = Random(1)
    better = 0
    for _ in range(300):
        chain = random_chain(random)
        least = [once_only(chain, Flops(chain), drop=drop)[0].need_bytes for drop in (True, False)]
        assert least[0] <= least[1]
        better += least[0] < least[1]
    assert better > 0
