"""Budgets are for the arena: what is planned fits in one block, and says what that cost."""

from random import Random

import pytest

from checkpoint import (
    BudgetError,
    Offloading,
    Plan,
    chain_of,
    every_nth,
    front_of,
    plan,
    plan_chain,
    simulate,
    store_all,
)
from checkpoint.planning.choice import resolve_budget
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.placement import arena_bytes

RATES = {None: None, "slow": Offloading(1e8, 1e11), "fast": Offloading(1e13, 1e11)}


def a_chain(random: Random, backend: str) -> Chain:
    """Widths of which few fill cache lines, for a batch that doesn't either."""
    sizes = [random.randint(2, 90) for _ in range(random.randint(3, 12))]
    return chain_of(sizes, batch_size=random.choice((50, 100, 250)), backend=backend)


@pytest.mark.parametrize("backend", ["numpy", "cupy"])
@pytest.mark.parametrize("rates", RATES)
def test_the_arena_of_every_plan_is_within_its_budget(backend: str, rates: str | None) -> None:
    random = Random(f"{backend} {rates}")
    for _ in range(5):
        chain, rate = a_chain(random, backend), RATES[rates]
        with pytest.raises(BudgetError) as caught:
            plan_chain(chain, budget_bytes=0, offloading=rate)
        least = caught.value.minimum_bytes
        most = arena_bytes(store_all(n_layers=chain.n_layers), chain)
        for budget in (least, random.randint(least, most), most):
            found = plan_chain(chain, budget_bytes=budget, offloading=rate)
            assert found.peak_bytes == simulate(found.schedule, chain).peak_bytes
            assert found.peak_bytes <= found.arena_bytes == arena_bytes(found.schedule, chain) <= budget
        with pytest.raises(BudgetError, match="smallest peak"):
            plan_chain(chain, budget_bytes=least - 1, offloading=rate)


SIZES, BATCH = (20, 64, 30, 10), 250


def in_bytes(budget_bytes: int) -> Plan:
    return plan(SIZES, batch_size=BATCH, budget_bytes=budget_bytes, row_blocks=False, pieces="large")


def test_a_plan_says_what_the_arena_s_excess_cost() -> None:
    """With all kept, a_2 and a_3 live at once, whose 30,000 and 10,000 bytes are no whole cache lines."""
    whole = in_bytes(2**20)
    assert (whole.optimal_among, whole.arena_bytes - whole.peak_bytes) == ("all schedules", 16 + 48)
    assert in_bytes(whole.arena_bytes).schedule == whole.schedule
    less = in_bytes(whole.peak_bytes)
    assert less.arena_bytes <= whole.peak_bytes
    assert less.recompute_fraction > 0
    dearer = 100 * (less.cost / whole.cost - 1)
    assert less.optimal_among.endswith(f", {dearer:.2g}% dearer for the arena's padding and holes")


def test_the_message_of_a_budget_too_small_names_the_arena_and_what_of_it_is_no_peak() -> None:
    with pytest.raises(BudgetError) as caught:
        in_bytes(1)
    minimum = caught.value.minimum_bytes
    peak = in_bytes(minimum).peak_bytes
    assert minimum > peak
    named = (
        f"{minimum} bytes (99.5 KiB), {minimum - peak} of them padding and holes of the arena, at batch {BATCH}; raise"
    )
    assert named in str(caught.value)


def test_all_of_the_budget_is_the_arena_of_storing_everything() -> None:
    chain = chain_of(SIZES, batch_size=BATCH)
    assert resolve_budget("100%", chain) == in_bytes(2**20).arena_bytes


def test_points_of_the_front_have_their_arenas() -> None:
    chain = chain_of(SIZES, batch_size=BATCH)
    front = front_of(chain)
    by_name = {point.name: point.arena_bytes for point in front.points if not point.planned}
    assert by_name["store all"] == arena_bytes(store_all(n_layers=3), chain)
    assert by_name["every 2nd layer"] == arena_bytes(every_nth(n_layers=3, n=2), chain)
    assert all(point.arena_bytes >= point.peak_bytes for point in front.points)
