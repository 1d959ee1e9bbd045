"""Long uneven chains: their plans fit to the byte, spend the budget, and don't fall off near the smallest peak."""

from dataclasses import replace
from random import Random

import pytest

from checkpoint import BudgetError, Chain, Flops, chain_of, plan, plan_chain, simulate, store_all
from checkpoint.planning.costs import FLOPS_BLOCK_ROWS, FlopsAndReads, block_sizes, cost_of
from checkpoint.planning.grid import Grid
from checkpoint.planning.pieces import SMALL_PIECES_COST
from checkpoint.planning.programs.evened import evened, nearly_even
from checkpoint.planning.programs.guided import Estimates, Guided
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.schedule.stretches import written
from tests.checkpoint.chains import common_divisor, ladder_of, random_budget, random_chain, schedule_of


def uneven(seed: int) -> Chain:
    """A chain of 30 to 60 layers whose widths differ a little or a lot."""
    random = Random(seed)
    n_layers, width = random.randint(30, 60), random.choice((200, 500, 1000))
    spread = random.choice((10, 30, 100, width // 2))
    sizes = [784, *(width + random.randint(-spread, spread) for _ in range(n_layers - 1)), 10]
    return chain_of(sizes, batch_size=random.choice((64, 256)))


def minimum_bytes(chain: Chain, *, row_blocks: bool = True) -> int:
    with pytest.raises(BudgetError) as caught:
        plan_chain(chain, budget_bytes=0, row_blocks=row_blocks)
    return caught.value.minimum_bytes


def test_a_hundred_uneven_layers_recompute_a_few_passes_and_not_dozens() -> None:
    random = Random(4)
    sizes = [784, *(1000 + random.randint(-30, 30) for _ in range(99)), 10]
    found = plan(sizes, batch_size=256, budget_bytes=6_400_000)
    assert found.recompute_fraction < 3
    assert found.arena_bytes > 0.95 * found.budget_bytes


@pytest.mark.parametrize("seed", range(34))
def test_a_quarter_more_than_the_minimum_is_spent(seed: int) -> None:
    """Estimates twice as fine, at all places, find nothing that is a tenth cheaper."""
    chain = uneven(seed)
    least = minimum_bytes(chain)
    for budget in (least * 11 // 10, least * 5 // 4):
        found = plan_chain(chain, budget_bytes=budget)
        pieces = found.schedule.pieces
        ladder = ladder_of(chain.in_pieces(pieces), block_sizes(chain.batch_size, minimum_rows=FLOPS_BLOCK_ROWS))
        smallest = SmallestPeak(ladder)
        fine = Guided(smallest, Estimates(ladder, budget, budget // 256, smallest), budget)
        assert found.cost <= 1.1 * fine.cost * (SMALL_PIECES_COST if pieces == "small" else 1)


@pytest.mark.parametrize("seed", range(4))
def test_guided_schedules_fit_and_are_near_the_best_of_their_class(seed: int) -> None:
    random = Random(seed)
    costs, best = 0.0, 0.0
    for _ in range(100):
        chain = random_chain(random, most_layers=9)
        budget, ladder = random_budget(random, chain), ladder_of(chain)
        smallest = SmallestPeak(ladder)
        found = Guided(smallest, Estimates(ladder, budget, max(1, budget // 48), smallest), budget)
        schedule = schedule_of(chain, written(found.stretches()))
        assert simulate(schedule, chain).peak_bytes <= budget
        assert cost_of(schedule, chain, Flops(chain)) == found.cost
        exact = Persistent(ladder, budget, common_divisor(ladder), smallest)
        assert exact.cost <= found.cost
        costs, best = costs + found.cost, best + exact.cost
    assert costs < 1.02 * best


def test_below_the_smallest_peak_nothing_is_guided() -> None:
    chain = Chain((3, 5, 4, 6, 2), 8)
    smallest = SmallestPeak(ladder_of(chain))
    for budget, some in ((smallest.peak_bytes, True), (smallest.peak_bytes - 1, False)):
        found = Guided(smallest, Estimates(smallest.ladder, budget, 16, smallest), budget)
        assert (found.cost < float("inf")) is some
        assert bool(list(found.stretches())) is some


@pytest.mark.parametrize("row_blocks", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_the_minimum_has_a_plan_and_no_smaller_budget_has(seed: int, row_blocks: bool) -> None:
    random = Random(seed)
    sizes = [random.randint(1, 40) for _ in range(random.randint(3, 9))]
    dtype = random.choice(("float32", "float64"))
    chain = chain_of(sizes, batch_size=random.choice((20, 100, 300)), dtype=dtype)
    least = minimum_bytes(chain, row_blocks=row_blocks)
    assert plan_chain(chain, budget_bytes=least, row_blocks=row_blocks).arena_bytes <= least
    for budget in (least - 1, least - 8, least * 99 // 100, least * 9 // 10):
        with pytest.raises(BudgetError):
            plan_chain(chain, budget_bytes=budget, row_blocks=row_blocks)


def test_the_minimum_counts_the_classes_for_short_chains() -> None:
    sizes = [2, 9, 1, 3, 9, 2]
    with pytest.raises(BudgetError) as caught:
        plan(sizes, batch_size=100, dtype="float64", budget_bytes=0, row_blocks=False)
    assert caught.value.minimum_bytes == 10432
    found = plan(sizes, batch_size=100, dtype="float64", budget_bytes=10432, row_blocks=False)
    assert (found.peak_bytes, found.arena_bytes) == (10400, 10432)


def test_nearly_equal_layers_cost_half_a_percent_more_at_most_than_with_estimates_of_their_own() -> None:
    random = Random(5)
    chain = chain_of([100, *(100 + random.randint(-3, 3) for _ in range(199)), 10], batch_size=64)
    cost = FlopsAndReads(chain)
    grid = Grid(chain, cost, [64], simulate(store_all(n_layers=200), chain).peak_bytes)
    smallest = grid.smallest
    for times in (1.5, 3, 8):
        budget = int(times * smallest.peak_bytes)
        own = Guided(smallest, Estimates(smallest.ladder, budget, budget // 32, smallest), budget)
        found = list(grid.guided(budget))
        best = min(found, key=lambda guided: guided.cost)
        schedule = schedule_of(chain, written(best.stretches()))
        assert simulate(schedule, chain).peak_bytes <= budget
        assert cost_of(schedule, chain, cost) == best.cost <= 1.005 * own.cost


def test_equal_layers_are_even_as_they_are_and_unlike_ones_are_not_nearly_even() -> None:
    chain = chain_of([784, *[100] * 20, 10], batch_size=64)
    cost = FlopsAndReads(chain)
    same, mean = evened(chain, cost)
    assert same == chain
    for layer in range(1, 22):
        assert (mean.forward(layer, 32), mean.backward(layer, 32)) == (
            cost.forward(layer, 32),
            cost.backward(layer, 32),
        )
    assert nearly_even(replace(chain, widths=(784, 100, 110, 105, 10)))
    assert not nearly_even(replace(chain, widths=(784, 100, 111, 105, 10)))
