"""What a search finds, before its actions are written. No arrays here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from checkpoint.schedule.stretches import Stretch


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule found: a bound on its bytes, its cost, and the class that it is the best of.

    `name` is the schedule's; `pieces` are those of its backward steps. `write` returns its stretches, when they
    are wanted.
    """

    need_bytes: int
    cost: float
    name: str
    optimal_among: str
    write: Callable[[], Iterable[Stretch]]
    pieces: str = "large"


def least_cost(candidates: Iterable[Candidate]) -> float:
    """The least cost of all; infinite where there is none."""
    return min((candidate.cost for candidate in candidates), default=inf)
