"""The search for the cheapest schedule of all classes, budget by budget. No arrays here.

The classes: persistent, for whole mini-batches and with row blocks inside segments; persistent with one temporary
checkpoint, for up to `TEMPORARY_LAYERS` layers; once-only, in full; micro-batches with checkpoints of their own; and
the schedule of the smallest peak. `checkpoint.planning.plan` is the door to it.

Chains of up to a hundred layers, and longer ones of a few shapes in a cycle, are searched exactly. Where that would
take too long, checkpoints are kept at fewer places, and bytes are rounded up to a coarser grid; the plan's class says
so. How coarse depends on the budget's power of two alone, and plans for lower powers are considered as well until they
are dearer, so a smaller budget does not give a faster plan.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from math import gcd, inf

from checkpoint.planning.costs import Cost, Flops, block_sizes, cost_of
from checkpoint.planning.programs.bounds import least_recompute
from checkpoint.planning.programs.ladder import Ladder, cycle_length, layer_shapes, positions_of
from checkpoint.planning.programs.minimum import SmallestPeak
from checkpoint.planning.programs.once_only import kept_actions, once_only
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.temporary import Temporary
from checkpoint.schedule.actions import Action
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies.row_blocks import gradients_bytes, in_blocks
from checkpoint.strategies.store_all import store_all

MAX_STEPS = 4_000_000
"""About how many ways to split an interval one dynamic program may weigh: half a second's."""
MAX_STEPS_LONG = 12_000_000
"""The same for chains of more than `LONG_LAYERS` layers."""
LONG_LAYERS = 300
MAX_LEVELS = 640
"""The finest grid of bytes that is searched, if it is exact."""
COARSE_LEVELS = 256
"""The finest one that isn't."""
SMALLEST_LEVELS = 8
"""The smallest peak is searched with the places that a program of so many levels has."""
ONCE_ONLY_LAYERS = 64
"""The full once-only class is searched up to so many layers; its fronts grow with the square of it."""
TEMPORARY_LAYERS = 20
"""Temporary checkpoints are searched up to so many layers: 0.15 seconds for a chain, 0.4 for one of 24."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule found: a bound on its bytes, its cost, its class; `write` gives the actions, when they are wanted.

    `pieces` are those of its backward steps.
    """

    need_bytes: int
    cost: float
    optimal_among: str
    write: Callable[[], Iterable[Action]]
    pieces: str = "large"


class Search:
    """The search over one chain, with row blocks of at least `minimum_rows` rows; none if that's the whole batch."""

    def __init__(self, chain: Chain, cost: Cost, minimum_rows: int) -> None:
        self.chain, self.cost, self.minimum_rows = chain, cost, minimum_rows
        self._whole = [chain.batch_size]
        self._sizes = block_sizes(chain.batch_size, minimum_rows=minimum_rows)
        self._ladders: dict[tuple[int, int], Ladder] = {}
        self._shapes: dict[int, list[int]] = {}
        self._subsearches: dict[int, Search] = {}

    def schedule(self, found: Candidate) -> Schedule:
        """The schedule of a candidate."""
        actions = tuple(found.write())
        blocked = any(action.rows for action in actions)
        return Schedule(self.chain.n_layers, actions, found.optimal_among, self.chain.batch_size if blocked else None)

    @cached_property
    def store_all(self) -> Candidate:
        """Plain backpropagation."""
        schedule = store_all(n_layers=self.chain.n_layers)
        schedule = replace(schedule, pieces=self.chain.pieces, planned_rows=self.chain.planned_rows)
        peak = simulate(schedule, self.chain).peak_bytes
        return Candidate(peak, cost_of(schedule, self.chain, self.cost), "all schedules", lambda: schedule.actions)

    @cached_property
    def smallest(self) -> Candidate:
        """The schedule of the smallest peak, whatever it costs."""
        found = [self._smallest(sizes) for sizes in (self._whole, self._sizes)]
        found += [self._in_blocks(self._subsearch(rows).smallest, rows) for rows in self._sizes[1:]]
        return min(found, key=lambda candidate: candidate.need_bytes)

    def best(self, budget_bytes: int) -> Candidate | None:
        """The cheapest candidate within the budget, of equals the one for whole batches; None if there is none."""
        if self.store_all.need_bytes <= budget_bytes and isinstance(self.cost, Flops):
            return self.store_all
        found = [self.store_all] if self.store_all.need_bytes <= budget_bytes else []
        blocked: list[Candidate] = []
        if len(self._sizes) > 1:
            blocked += self._persistent(budget_bytes, self._sizes)
            blocked += self._micro_batched(budget_bytes, _least(blocked))
        if _least(blocked) >= self.lower_bound(budget_bytes):
            found += self._persistent(budget_bytes, self._whole)
            found += self._once_only(budget_bytes)
            found += self._temporary(budget_bytes, _least(found + blocked))
        found += blocked
        if not found and self.smallest.need_bytes <= budget_bytes:
            found.append(self.smallest)
        return min(found, key=lambda candidate: candidate.cost, default=None)

    def lower_bound(self, budget_bytes: int) -> float:
        """A cost that no schedule for whole mini-batches is below."""
        chain, cost = self.chain, self.cost
        once = sum(run(layer, chain.batch_size) for layer in self._layers for run in (cost.forward, cost.backward))
        return once + least_recompute(chain, cost, budget_bytes=budget_bytes)

    @property
    def _layers(self) -> range:
        return range(1, self.chain.n_layers + 1)

    # Classes

    def _smallest(self, sizes: list[int]) -> Candidate:
        found = SmallestPeak(self._ladder(sizes, SMALLEST_LEVELS))
        return Candidate(found.peak_bytes, inf, f"{_class(sizes)}, smallest peak", found.actions)

    def _persistent(self, budget_bytes: int, sizes: list[int]) -> Iterator[Candidate]:
        budget_bytes = min(budget_bytes, self.store_all.need_bytes)
        best = inf
        before: tuple[Ladder, int] | None = None
        while budget_bytes > 1:
            regime = ladder, unit = self._regime(budget_bytes, sizes)
            exact = ladder.n == self.chain.n_layers and unit == self._exact_unit
            if regime != before:
                found = Persistent(ladder, budget_bytes, unit)
                if found.cost >= best:
                    return
                best = found.cost
                grid = "" if exact else f", checkpoints at {ladder.n - 1} places, bytes in steps of {unit}"
                yield Candidate(budget_bytes, best, _class(sizes) + grid, found.actions)
            if exact or best <= ladder.floor(0, ladder.n):
                return
            before = regime
            budget_bytes = 2 ** ((budget_bytes - 1).bit_length() - 1)

    def _once_only(self, budget_bytes: int) -> Iterator[Candidate]:
        chain = self.chain
        if chain.n_layers > ONCE_ONLY_LAYERS:
            return
        front = once_only(chain, self.cost, budget_bytes=budget_bytes)
        if front:
            best = front[-1]
            cost = best.cost + self.store_all.cost
            yield Candidate(best.need_bytes, cost, "once-only", lambda: kept_actions(chain, best))

    def _temporary(self, budget_bytes: int, best: float) -> Iterator[Candidate]:
        if self.chain.n_layers > TEMPORARY_LAYERS or best <= self.lower_bound(budget_bytes):
            return
        cost, program = self._with_temporary.steps.at(budget_bytes), self._with_temporary
        if cost < best:
            name = "persistent with one temporary checkpoint"
            yield Candidate(budget_bytes, cost, name, lambda: program.actions(budget_bytes))

    @cached_property
    def _with_temporary(self) -> Temporary:
        return Temporary(self.chain, self.cost, self.store_all.need_bytes)

    def _micro_batched(self, budget_bytes: int, best: float) -> Iterator[Candidate]:
        left = budget_bytes - gradients_bytes(self.chain)
        for rows in reversed(self._sizes[1:]):
            if left <= 0 or best <= self._floor:
                return
            inner = self._subsearch(rows)
            if self._scaled(inner.lower_bound(left), rows) > best:
                continue
            inside = inner.best(left)
            if inside is None:
                continue
            found = self._in_blocks(inside, rows)
            if found.cost > best and isinstance(self.cost, Flops):
                return
            best = min(best, found.cost)
            yield found

    @cached_property
    def _floor(self) -> float:
        ladder = self._ladder(self._sizes, SMALLEST_LEVELS)
        return ladder.floor(0, ladder.n)

    # How finely

    def _regime(self, budget_bytes: int, sizes: list[int]) -> tuple[Ladder, int]:
        """The places and the unit of bytes for a budget; they depend on its power of two alone."""
        top = 2 ** (budget_bytes - 1).bit_length()
        top = min(top, self.store_all.need_bytes)
        unit = self._exact_unit
        if top // unit > MAX_LEVELS:
            while top // unit > COARSE_LEVELS:
                unit *= 2
        return self._ladder(sizes, max(1, top // unit)), unit

    @cached_property
    def _exact_unit(self) -> int:
        return reduce(gcd, (self.chain.activation_bytes(layer) for layer in self._layers[:-1]), 0) or 1

    def _ladder(self, sizes: list[int], levels: int) -> Ladder:
        """The finest ladder that a program with so many levels can be run on."""
        n_layers = self.chain.n_layers
        if len(sizes) not in self._shapes:
            self._shapes[len(sizes)] = layer_shapes(self.chain, self.cost, sizes)
        most, allowed = n_layers, MAX_STEPS if n_layers <= LONG_LAYERS else MAX_STEPS_LONG
        while True:
            positions = positions_of(self.chain, most=most)
            n = len(positions)
            cycle = cycle_length(self._shapes[len(sizes)], positions)
            if n <= 24 or levels * n * (min(cycle, n / 3) + 1) * n / 2 <= allowed:
                break
            most = most * 3 // 4
        key = n, len(sizes)
        if key not in self._ladders:
            self._ladders[key] = Ladder(self.chain, self.cost, positions, sizes)
        return self._ladders[key]

    # Micro-batches

    def _subsearch(self, rows: int) -> "Search":
        if rows not in self._subsearches:
            self._subsearches[rows] = Search(replace(self.chain, batch_size=rows, adds_up=True), self.cost, rows)
        return self._subsearches[rows]

    def _scaled(self, cost: float, rows: int) -> float:
        """The cost of all blocks of which one of `rows` rows has `cost`; that of a smaller last one is estimated."""
        batch_size = self.chain.batch_size
        return cost * batch_size // rows if isinstance(cost, int) else cost * batch_size / rows

    def _in_blocks(self, inner: Candidate, rows: int) -> Candidate:
        batch_size = self.chain.batch_size
        return Candidate(
            gradients_bytes(self.chain) + inner.need_bytes,
            self._scaled(inner.cost, rows),
            f"micro-batches of {rows}, inside them {inner.optimal_among}",
            lambda: in_blocks(self._subsearch(rows).schedule(inner), batch_size=batch_size, rows=rows).actions,
        )


def _class(sizes: list[int]) -> str:
    return "persistent with row blocks" if len(sizes) > 1 else "persistent"


def _least(candidates: list[Candidate]) -> float:
    return min((candidate.cost for candidate in candidates), default=inf)
