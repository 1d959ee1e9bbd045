"""The persistent program against exhaustive search over persistent schedules, and its gap to all schedules."""

from math import inf
from random import Random

import pytest

from checkpoint import Chain, simulate
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.schedule.stretches import written
from tests.checkpoint.chains import common_divisor, ladder_of, random_budget, random_chain, schedule_of, step_flops
from tests.checkpoint.exhaustive import interpret, least_recompute


@pytest.mark.parametrize("seed", range(10))
def test_equals_exhaustive_search_over_persistent_schedules(seed: int) -> None:
    random = Random(seed)
    for _ in range(150):
        chain = random_chain(random, most_layers=7)
        budget, ladder = random_budget(random, chain), ladder_of(chain)
        found = Persistent(ladder, budget, common_divisor(ladder))
        assert found.cost - step_flops(chain) == least_recompute(chain, budget, kind="persistent"), (chain, budget)
        schedule = schedule_of(chain, written(found.stretches()))
        simulation = simulate(schedule, chain)
        assert simulation.peak_bytes == interpret(schedule, chain).peak_bytes <= budget
        assert simulation.recomputed_flops == found.cost - step_flops(chain)


def test_the_smallest_peak_is_the_least_that_any_persistent_schedule_takes() -> None:
    random = Random(11)
    for _ in range(300):
        chain = random_chain(random, most_layers=7)
        found = SmallestPeak(ladder_of(chain))
        schedule = schedule_of(chain, written(found.stretches()))
        assert simulate(schedule, chain).peak_bytes == found.peak_bytes
        assert least_recompute(chain, found.peak_bytes - 1, kind="persistent") == inf


def test_alike_intervals_are_alike() -> None:
    """A chain of equal layers, told to have no cycle, is planned the same."""
    chain = Chain((7, *[4] * 12, 3), 8)
    ladder, plain = ladder_of(chain), ladder_of(chain)
    assert ladder.period == 1
    plain.cost = _EachItsOwn(plain.cost)  # type: ignore[assignment]
    plain.__post_init__()
    assert plain.period == plain.n - 2
    for budget in range(600, 1800, 100):
        one, other = (Persistent(each, budget, common_divisor(each)).cost for each in (ladder, plain))
        assert one == other or abs(one - other) < 1e-6 * one


class _EachItsOwn:
    def __init__(self, cost: object) -> None:
        self._cost = cost

    def forward(self, layer: int, rows: int) -> float:
        return self._cost.forward(layer, rows) * (1 + layer * 1e-12)  # type: ignore[attr-defined, no-any-return]

    def backward(self, layer: int, rows: int) -> float:
        return self._cost.backward(layer, rows)  # type: ignore[attr-defined, no-any-return]


def test_coarser_units_fit_and_cost_no_less() -> None:
    random = Random(12)
    for _ in range(200):
        chain = random_chain(random)
        budget, ladder = random_budget(random, chain), ladder_of(chain)
        unit = common_divisor(ladder)
        coarse = Persistent(ladder, budget, 3 * unit)
        assert coarse.cost >= Persistent(ladder, budget, unit).cost
        if coarse.cost < inf:
            assert simulate(schedule_of(chain, written(coarse.stretches())), chain).peak_bytes <= budget
