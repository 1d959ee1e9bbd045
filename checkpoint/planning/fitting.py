"""From what a search finds to what fits: budgets are for the arena, and a search knows live bytes. No arrays here.

A search keeps the most bytes that live at once within a budget. The arena takes more where arrays are padded or a hole
forms, so that what is found may not fit. Then it is asked again for as much less as the arena took more, and the plan
says what that cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from checkpoint.planning.candidate import Candidate
from checkpoint.planning.weighing import Weight, weigh
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

MAX_ROUNDS = 12
"""So often a search is asked again; one round is enough for padding, a hole may move with the schedule."""


class AnySearch(Protocol):
    """What every search answers."""

    @property
    def chain(self) -> Chain:
        """The chain that is searched."""

    @property
    def store_all(self) -> Candidate:
        """Plain backpropagation."""

    @property
    def smallest(self) -> Candidate:
        """The schedule of the smallest peak."""

    def best(self, budget_bytes: int) -> Candidate | None:
        """The cheapest candidate whose live bytes are within the budget."""

    def schedule(self, found: Candidate) -> Schedule:
        """The schedule of a candidate."""

    def step_cost(self, schedule: Schedule) -> float:
        """The cost of a step."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """A schedule, what it takes and the `cost` of a step.

    `optimal_among` names the class that it is the best of. Where it is dearer than the best whose live bytes fit, and
    whose arena does not, `optimal_among` says by how much.
    """

    schedule: Schedule
    weight: Weight
    cost: float
    optimal_among: str

    @property
    def arena_bytes(self) -> int:
        """The bytes of the block that holds all arrays of a step."""
        return self.weight.arena_bytes


def best_fitting(search: AnySearch, budget_bytes: int) -> Fitting | None:
    """The cheapest schedule found whose arena is within the budget; None if there is none."""
    rounds = list(_rounds(search, budget_bytes))
    found = rounds[-1] if rounds else None
    if found is None or found.arena_bytes > budget_bytes:
        found = smallest_fitting(search)
    if found.arena_bytes > budget_bytes:
        return None
    if not rounds or found.cost <= rounds[0].cost:
        return found
    excess = f"{100 * (found.cost / rounds[0].cost - 1):.2g}%"
    return replace(found, optimal_among=f"{found.optimal_among}, {excess} dearer for the arena's padding and holes")


def smallest_fitting(search: AnySearch) -> Fitting:
    """The schedule of the smallest arena found: that of the smallest peak, or what is found for less than it takes."""
    least = _fitting(search, search.smallest)
    while True:
        rounds = list(_rounds(search, least.arena_bytes - 1))
        if not rounds or rounds[-1].arena_bytes >= least.arena_bytes:
            return least
        least = rounds[-1]


def _rounds(search: AnySearch, budget_bytes: int) -> Iterator[Fitting]:
    """What is found for the budget, and then for as much less as the arena took more, until one fits."""
    live_bytes = budget_bytes
    for _ in range(MAX_ROUNDS):
        candidate = search.best(live_bytes)
        if candidate is None:
            return
        found = _fitting(search, candidate)
        yield found
        if found.arena_bytes <= budget_bytes:
            return
        # fewer than this one has: its own and the excess were more than the budget
        live_bytes = budget_bytes - (found.arena_bytes - found.weight.peak_bytes)


def _fitting(search: AnySearch, candidate: Candidate) -> Fitting:
    schedule = search.schedule(candidate)
    return Fitting(schedule, weigh(schedule, search.chain), search.step_cost(schedule), candidate.optimal_among)
