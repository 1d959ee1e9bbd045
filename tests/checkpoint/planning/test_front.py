"""The front of plans, what is marked on it, and the advice."""

from itertools import pairwise

import pytest

from checkpoint import chain_of, plan_chain
from checkpoint.planning.front import front_of

SMALL = chain_of([12, 9, 4, 9, 2, 7, 3], batch_size=40)


@pytest.fixture(scope="module")
def front():  # type: ignore[no-untyped-def]
    return front_of(SMALL, row_blocks=False)


def test_no_point_of_the_front_beats_another(front) -> None:  # type: ignore[no-untyped-def]
    assert front.complete
    assert len(front.plans) > 3
    for more, less in pairwise(front.plans):
        assert less.peak_bytes < more.peak_bytes
        assert less.cost > more.cost


def test_every_budget_is_answered_by_a_point_of_the_front(front) -> None:  # type: ignore[no-untyped-def]
    costs = {found.cost for found in front.plans}
    lowest, highest = front.plans[-1].peak_bytes, front.plans[0].peak_bytes
    for budget in range(lowest, highest + 1, 16):
        assert plan_chain(SMALL, budget_bytes=budget, row_blocks=False).cost in costs


def test_well_known_schedules_are_marked_and_none_beats_the_front(front) -> None:  # type: ignore[no-untyped-def]
    assert {"store all", "every 2nd layer", "every 4th layer"} <= {mark.name for mark in front.marks}
    for mark in front.marks:
        assert any(plan.peak_bytes <= mark.peak_bytes and plan.cost <= mark.cost for plan in front.plans)


def test_micro_batches_are_shown_beside() -> None:
    found = front_of(chain_of([12, *[9] * 30, 3], batch_size=512), most_points=6)
    assert not found.complete
    assert {"micro-batches of 256", "micro-batches of 128"} <= {mark.name for mark in found.marks}
    peaks = [point.peak_bytes for point in found.points]
    assert peaks == sorted(peaks, reverse=True)


@pytest.mark.parametrize(
    ("sizes", "batch_size", "plan"), [((12, *[9] * 30, 3), 512, True), ((8, *[12] * 5, 3), 2000, False)]
)
def test_advice_is_two_lines_with_a_share_and_a_price(sizes: tuple[int, ...], batch_size: int, plan: bool) -> None:
    first, second = front_of(chain_of(sizes, batch_size=batch_size), most_points=6).advice
    assert "%" in first
    assert "Micro-batches of 128 rows take" in second
    assert ("; a plan (" in second) == plan
    assert second.endswith("% more than a step that stores all.")
