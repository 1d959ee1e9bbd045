"""The search in both kinds of pieces: backward steps that are fast, or that hold little. No arrays here.

A schedule in large pieces is preferred until one in small pieces, which take longer, recomputes so much less that it is
faster nevertheless, or is the only one that fits. See `mlp.pieces` for what the pieces are.
"""

from dataclasses import replace
from functools import cached_property

from checkpoint.planning.candidate import Candidate
from checkpoint.planning.costs import Cost, cost_of
from checkpoint.planning.search import Search
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

SMALL_PIECES_COST = 1.15
"""How much longer a step in small pieces takes than in large: 1.08 to 1.19 times on NumPy, wide layers or narrow."""


class SearchInPieces:
    """A `Search` of one chain in large and in small pieces, with the same methods; `pieces` for one kind alone."""

    def __init__(self, chain: Chain, cost: Cost, minimum_rows: int, *, pieces: str | None = None) -> None:
        if pieces is None and not chain.works_in_pieces:
            pieces = "large"
        self.chain, self.cost, self.minimum_rows, self.pieces = chain, cost, minimum_rows, pieces
        self._large, self._small = (
            Search(chain.in_pieces(pieces), cost, minimum_rows) for pieces in ("large", "small")
        )

    @property
    def chains(self) -> dict[str, Chain]:
        """The chain in each kind of pieces that may be planned in."""
        kinds = ("large", "small") if self.pieces is None else (self.pieces,)
        return {pieces: self.chain.in_pieces(pieces) for pieces in kinds}

    def step_cost(self, schedule: Schedule) -> float:
        """The cost of a step that follows `schedule`: that of its actions, and what small pieces add to it."""
        total = cost_of(schedule, self.chain, self.cost)
        return total * SMALL_PIECES_COST if schedule.pieces == "small" else total

    @property
    def store_all(self) -> Candidate:
        """Plain backpropagation, in large pieces."""
        return self._large.store_all

    @cached_property
    def smallest(self) -> Candidate:
        """The schedule of the smallest peak, whatever it costs."""
        return self._large.smallest if self.pieces == "large" else _in_small(self._small.smallest)

    def best(self, budget_bytes: int) -> Candidate | None:
        """The cheapest candidate within the budget, in either pieces; None if there is none."""
        if self.pieces == "small":
            small = self._small.best(budget_bytes)
            return None if small is None else _in_small(small)
        large = self._large.best(budget_bytes)
        if self.pieces == "large":
            return large
        if large is not None:
            least = max(self.store_all.cost, self.least_cost(budget_bytes))
            if large.cost <= least * SMALL_PIECES_COST:
                return large
        small = self._small.best(budget_bytes)
        if small is None:
            return large
        small = _in_small(small)
        return small if large is None or small.cost < large.cost else large

    def least_cost(self, budget_bytes: int) -> float:
        """A cost that no candidate within the budget is below, without what small pieces add."""
        return self._large.least_cost(budget_bytes)

    def lower_bound(self, budget_bytes: int, *, row_blocks: bool = False) -> float:
        """A cost that no schedule for whole mini-batches is below or, with `row_blocks`, none at all."""
        return self._small.lower_bound(budget_bytes, row_blocks=row_blocks)

    def schedule(self, found: Candidate) -> Schedule:
        """The schedule of a candidate."""
        return self._large.schedule(found, planned_rows=self.chain.in_pieces(found.pieces).planned_rows)


def _in_small(found: Candidate) -> Candidate:
    return replace(found, cost=found.cost * SMALL_PIECES_COST, pieces="small")
