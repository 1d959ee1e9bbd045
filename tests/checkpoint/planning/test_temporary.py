"""Persistent schedules with one temporary checkpoint, against exhaustive search over all schedules."""

from math import inf
from random import Random

import pytest

from checkpoint import Chain, Flops, simulate, store_all
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.planning.programs.temporary import Temporary
from tests.checkpoint.chains import common_divisor, ladder_of, random_budget, random_chain, schedule_of, step_flops
from tests.checkpoint.exhaustive import interpret, least_recompute


def program_of(chain: Chain) -> Temporary:
    """The program for every budget that matters."""
    return Temporary(chain, Flops(chain), simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes)


@pytest.mark.parametrize("seed", range(8))
def test_fewer_than_one_chain_in_a_hundred_has_a_better_schedule(seed: int) -> None:
    random = Random(seed)
    missed = improved = 0
    for _ in range(150):
        chain = random_chain(random)
        budget, ladder = random_budget(random, chain), ladder_of(chain)
        found = program_of(chain).steps.at(budget)
        persistent = Persistent(ladder, budget, common_divisor(ladder)).cost
        best = least_recompute(chain, budget) + step_flops(chain)
        assert best <= found <= persistent
        missed += found > best
        improved += found < persistent
    assert missed <= 1
    assert improved > 0


def test_the_schedule_costs_what_was_said_and_fits() -> None:
    random = Random(3)
    for _ in range(300):
        chain = random_chain(random, most_layers=9)
        program, budget = program_of(chain), random_budget(random, chain)
        schedule = schedule_of(chain, program.actions(budget))
        simulation = simulate(schedule, chain)
        assert simulation.peak_bytes == interpret(schedule, chain).peak_bytes <= budget
        assert simulation.recomputed_flops == program.steps.at(budget) - step_flops(chain)


def test_the_table_begins_at_the_smallest_peak_and_ends_without_recomputing() -> None:
    random = Random(4)
    for _ in range(100):
        chain = random_chain(random, most_layers=8)
        steps = program_of(chain).steps
        assert steps.needs[0] == SmallestPeak(ladder_of(chain)).peak_bytes
        assert steps.at(steps.needs[0] - 1) == inf
        assert steps.costs[-1] == step_flops(chain)
        assert steps.costs == sorted(steps.costs, reverse=True)


def test_each_budget_of_a_chain_is_answered_as_exhaustive_search_does() -> None:
    chain = Chain((1, 1, 1, 2, 1, 2), 16)
    steps = program_of(chain).steps
    for budget in range(steps.needs[0], steps.needs[-1] + 4, 4):
        assert steps.at(budget) - step_flops(chain) == least_recompute(chain, budget)


def test_a_checkpoint_is_kept_for_a_time() -> None:
    """a_2 is kept while layer 5 goes back, run from once more and dropped there, and recomputed when it is needed."""
    chain, budget = Chain((1, 1, 1, 2, 1, 2), 16), 384
    schedule = schedule_of(chain, program_of(chain).actions(budget))
    assert str(schedule) == "F1 F2* F3 F4* F5 B5 F3* B4 F1* F2* B3 B2 B1"
    assert simulate(schedule, chain).recomputed_flops == 128 < least_recompute(chain, budget, kind="persistent")
