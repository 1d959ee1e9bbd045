"""The front: which recomputing buys which peak. No arrays here; the picture is drawn elsewhere.

A point of the front is a plan that no other plan beats in both bytes and cost. The well-known schedules are marked on
it: those that lie on it and those that don't.
"""

from dataclasses import dataclass
from itertools import pairwise

from checkpoint.chain import Chain
from checkpoint.costs import Cost, block_sizes, cost_of
from checkpoint.planning import Plan, plan_of, search_of
from checkpoint.schedule import Schedule
from checkpoint.simulation import simulate
from checkpoint.strategies import every_nth, micro_batches, square_root, store_all
from checkpoint.units import format_bytes


COMPLETE_LAYERS = 16
"""Chains of up to so many layers get every point of their front."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A schedule's peak, in bytes above rest, its recomputing and cost. `row_block` is None for whole mini-batches."""

    name: str
    peak_bytes: int
    recompute_fraction: float
    cost: float
    row_block: int | None


@dataclass(frozen=True, slots=True)
class Front:
    """Plans from the most bytes to the least, and the schedules to compare them with.

    `complete` says whether every point is there; of a long front only so many are made, evenly in the logarithm of the
    bytes, and those are best for their budgets.
    """

    chain: Chain
    plans: tuple[Plan, ...]
    marks: tuple[FrontPoint, ...]
    complete: bool

    @property
    def points(self) -> tuple[FrontPoint, ...]:
        """The plans as points."""
        return tuple(
            FrontPoint(plan.optimal_among, plan.peak_bytes, plan.recompute_fraction, plan.cost, plan.row_block)
            for plan in self.plans
        )


def front(
    chain: Chain,
    *,
    cost: Cost | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    most_points: int = 32,
) -> Front:
    """The plans that no other beats in bytes and cost, from that of store-all's peak to the smallest feasible one.

    Each next plan is made for one byte less than the last one took; for more than 16 layers, whose fronts are long, the
    budgets are spaced evenly in their logarithm so that there are at most `most_points`.
    """
    search = search_of(chain, cost=cost, row_blocks=row_blocks, minimum_block_rows=minimum_block_rows)
    smallest, budget = search.smallest.need_bytes, search.store_all.need_bytes
    complete = chain.n_layers <= COMPLETE_LAYERS
    ratio = 1.0 if complete else (smallest / budget) ** (1 / max(1, most_points - 1))
    plans: list[Plan] = []
    while budget >= smallest:
        plans.append(plan_of(search, search.best(budget), budget))
        following = min(plans[-1].peak_bytes - 1, int(budget * ratio))
        budget = smallest if following < smallest < min(budget, plans[-1].peak_bytes) else following
    marks = tuple(_mark(schedule, chain, cost or search.cost) for schedule in _known(chain, search.minimum_rows))
    return Front(chain, tuple(_undominated(plans)), marks, complete)


def advice(found: Front, *, rest_bytes: int) -> tuple[str, str]:
    """Two lines for whoever must choose: what activations weigh, and what making them light costs.

    `rest_bytes` are held between steps: weights, biases, optimiser state and the mini-batch.
    """
    whole = next(mark for mark in found.marks if mark.name == "store all")
    share = whole.peak_bytes / (whole.peak_bytes + rest_bytes)
    first = (
        f"Keeping everything takes {format_bytes(whole.peak_bytes)} above rest: {share:.0%} of this run's "
        f"{format_bytes(whole.peak_bytes + rest_bytes)}."
    )
    if share < 0.25:
        first += " Checkpointing can save no more than that; a smaller model or optimiser would."
    blocks = [mark for mark in found.marks if mark.row_block is not None]
    plans = [point for point in found.points if point.row_block is None and point.recompute_fraction > 0]
    if not blocks:
        return first, "This mini-batch is too small to be cut into row blocks; every saving is paid in recomputing."
    least = min(blocks, key=lambda mark: mark.peak_bytes)
    cheaper = (least.cost - whole.cost) / whole.cost
    second = (
        f"Micro-batches of {least.row_block} rows take {format_bytes(least.peak_bytes)} and cost {cheaper:.0%} more"
    )
    matched = [point for point in plans if point.peak_bytes <= least.peak_bytes]
    if matched:
        best = min(matched, key=lambda point: point.cost)
        second += f"; with checkpoints alone that costs {(best.cost - whole.cost) / whole.cost:.0%}."
    else:
        second += "; the plans of this front that take less recompute layers as well."
    return first, second


def _known(chain: Chain, minimum_rows: int) -> list[Schedule]:
    n_layers, batch_size = chain.n_layers, chain.batch_size
    known = [store_all(n_layers=n_layers), *(every_nth(n_layers=n_layers, n=n) for n in _doublings(n_layers))]
    known.append(square_root(n_layers=n_layers))
    for rows in block_sizes(batch_size, minimum_rows=minimum_rows)[1:]:
        known.append(micro_batches(n_layers=n_layers, batch_size=batch_size, rows=rows))
    return known


def _doublings(n_layers: int) -> list[int]:
    return [2**power for power in range(1, n_layers.bit_length()) if 2**power < n_layers]


def _mark(schedule: Schedule, chain: Chain, cost: Cost) -> FrontPoint:
    found = simulate(schedule, chain)
    rows = min((action.rows[1] - action.rows[0] for action in schedule if action.rows), default=None)
    name, spent = schedule.name, cost_of(schedule, chain, cost)
    return FrontPoint(name, found.peak_bytes, found.recompute_fraction, spent, rows)


def _undominated(plans: list[Plan]) -> list[Plan]:
    """Of plans of one cost, the last has the fewest bytes."""
    return [plan for plan, following in pairwise(plans) if plan.cost < following.cost] + plans[-1:]
