"""The front: how much recomputing buys which peak. No arrays here; the picture is drawn elsewhere.

A point of the front is a plan that no other plan beats in both bytes and cost. The well-known schedules are marked
beside it, those that a plan beats and those that none does.
"""

from dataclasses import dataclass

from checkpoint.planning.costs import Cost, block_sizes, cost_of
from checkpoint.planning.fitting import best_fitting, smallest_fitting
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan_of, search_of
from checkpoint.planning.planned import Plan
from checkpoint.planning.weighing import weigh
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.placement import arena_bytes
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies import every_nth, micro_batches, square_root, store_all
from checkpoint.units import format_bytes

COMPLETE_LAYERS = 16
"""The most layers of a chain for which every point of its front is found."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A schedule's peak and its arena, in bytes above rest, its recomputing and its cost.

    `row_block` is None for whole mini-batches. `planned` tells the plans of the front from the well-known schedules
    that are marked beside them; `dominated` says that a plan of the front takes fewer bytes at no more cost, or costs
    less in no more bytes.
    """

    name: str
    peak_bytes: int
    arena_bytes: int
    recompute_fraction: float
    cost: float
    row_block: int | None
    planned: bool
    dominated: bool = False


@dataclass(frozen=True, slots=True)
class Front:
    """Plans from the most bytes to the least, and the well-known schedules to compare them with.

    `complete` says whether every point of the front has its plan; of a long front only some are made, for budgets
    evenly spaced in their logarithm.
    """

    chain: Chain
    plans: tuple[Plan, ...]
    marks: tuple[FrontPoint, ...]
    complete: bool

    @property
    def points(self) -> tuple[FrontPoint, ...]:
        """The plans and the marks, from the most bytes to the least."""
        planned = [
            FrontPoint(
                plan.schedule.name,
                plan.peak_bytes,
                plan.arena_bytes,
                plan.recompute_fraction,
                plan.cost,
                plan.row_block,
                planned=True,
            )
            for plan in self.plans
        ]
        return tuple(sorted([*planned, *self.marks], key=lambda point: -point.peak_bytes))

    @property
    def store_all(self) -> FrontPoint:
        """The mark of plain backpropagation, which keeps every activation."""
        return next(mark for mark in self.marks if mark.name == "store all")

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all weights and biases."""
        return sum(self.chain.gradient_bytes(layer) for layer in range(1, self.chain.n_layers + 1))

    @property
    def mini_batch_bytes(self) -> int:
        """Bytes of a mini-batch: X and y."""
        return self.chain.array_bytes(self.chain.batch_size * (self.chain.widths[0] + self.chain.widths[-1]))

    @property
    def run_bytes(self) -> int:
        """Bytes of the parameters, a mini-batch and the step that stores all, together."""
        return self.store_all.peak_bytes + self.parameter_bytes + self.mini_batch_bytes

    @property
    def advice(self) -> tuple[str, str]:
        """Two lines for whoever must choose: the activations' share of memory, and the price of a smaller one."""
        return _weight(self), _price(self)


def front_of(
    chain: Chain,
    *,
    cost: Cost | str | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    most_points: int = 24,
    offloading: Offloading | None = None,
) -> Front:
    """The plans that no other beats in bytes and cost, from that of store-all's peak to the smallest feasible one.

    Each next plan is made for one byte less than the last one took; for more than 16 layers, whose fronts are long, the
    budgets are spaced evenly in their logarithm so that there are at most about `most_points`. With `offloading`, plans
    may copy checkpoints to the host.
    """
    search = search_of(
        chain, cost=cost, row_blocks=row_blocks, minimum_block_rows=minimum_block_rows, offloading=offloading
    )
    smallest = smallest_fitting(search).arena_bytes
    budget = arena_bytes(search.schedule(search.store_all), chain)
    complete = chain.n_layers <= COMPLETE_LAYERS
    ratio = 1.0 if complete else (smallest / budget) ** (1 / max(1, most_points - 1))
    plans: list[Plan] = []
    while budget >= smallest:
        best = best_fitting(search, budget)
        if best is None:
            break
        plans.append(plan_of(search, best, budget))
        following = min(best.weight.peak_bytes - 1, int(budget * ratio))
        budget = smallest if following < smallest < min(budget, best.arena_bytes) else following
    front = _undominated(plans)
    marks = tuple(_mark(schedule, chain, search.cost, front) for schedule in _known(chain, search.minimum_rows))
    return Front(chain, tuple(front), marks, complete)


def _weight(front: Front) -> str:
    if isinstance(front.chain, GeneralChain):
        return "What is held between steps is not part of this chain."
    share = front.store_all.peak_bytes / front.run_bytes
    line = (
        f"If all is stored, activations and workspace are {share:.0%} of this run's {format_bytes(front.run_bytes)} "
        f"(parameters {format_bytes(front.parameter_bytes)}, mini-batch {format_bytes(front.mini_batch_bytes)})"
    )
    return line + (": no checkpointing can save more." if share < 0.5 else ".")


def _price(front: Front) -> str:
    whole = front.store_all
    blocks = [mark for mark in front.marks if mark.row_block is not None]
    if not blocks and isinstance(front.chain, GeneralChain):
        return "It has whole mini-batches only; what is saved is paid for by recomputing."
    if not blocks:
        return "The mini-batch is too small for row blocks; what is saved is paid for by recomputing."
    least = min(blocks, key=lambda mark: mark.peak_bytes)
    if least.peak_bytes >= whole.peak_bytes:
        return "Micro-batches save nothing here, as they hold the gradients of all layers; checkpoints do."

    def dearer(point: FrontPoint) -> str:
        return f"{max(0, point.cost / whole.cost - 1):.0%}"

    line = f"{least.name.capitalize()} rows take {format_bytes(least.peak_bytes)} and cost {dearer(least)} more"
    planned = [point for point in front.points if point.planned and point.peak_bytes <= least.peak_bytes // 2]
    if planned:
        best = min(planned, key=lambda point: point.cost)
        line += f"; a plan ({best.name}) takes {format_bytes(best.peak_bytes)}, and costs {dearer(best)} more"
    return line + " than a step that stores all."


def _known(chain: Chain, minimum_rows: int) -> list[Schedule]:
    n_layers, batch_size = chain.n_layers, chain.batch_size
    known = [store_all(n_layers=n_layers), *(every_nth(n_layers=n_layers, n=n) for n in _doublings(n_layers))]
    known.append(square_root(n_layers=n_layers))
    sizes = block_sizes(batch_size, minimum_rows=minimum_rows)[1:]
    return known + [micro_batches(n_layers=n_layers, batch_size=batch_size, rows=rows) for rows in sizes]


def _doublings(n_layers: int) -> list[int]:
    return [2**power for power in range(1, n_layers.bit_length()) if 2**power < n_layers]


def _mark(schedule: Schedule, chain: Chain, cost: Cost, front: list[Plan]) -> FrontPoint:
    found, spent = weigh(schedule, chain), cost_of(schedule, chain, cost)
    arena = found.arena_bytes
    beaten = any(
        plan.arena_bytes <= arena and plan.cost <= spent and (plan.arena_bytes, plan.cost) != (arena, spent)
        for plan in front
    )
    return FrontPoint(
        schedule.name,
        found.peak_bytes,
        arena,
        found.recompute_fraction,
        spent,
        schedule.row_block,
        planned=False,
        dominated=beaten,
    )


def _undominated(plans: list[Plan]) -> list[Plan]:
    """Those plans with no other of fewer bytes and no more cost; they come from the most bytes to the least."""
    kept: list[Plan] = []
    for plan in reversed(plans):
        if not kept or plan.cost < kept[-1].cost:
            kept.append(plan)
    return kept[::-1]
