"""The search for the cheapest schedule of all classes, budget by budget. No arrays here.

The classes: persistent, for whole mini-batches and with row blocks inside segments or over several of them; persistent
with one temporary checkpoint, for up to `TEMPORARY_LAYERS` layers; once-only, in full, for up to `ONCE_ONLY_LAYERS`;
micro-batches with checkpoints of their own; and the schedule of the smallest peak. `checkpoint.planning.plan` is the
door to it.

The smallest peak with row blocks against that of all schedules, by exhaustive search over 171 random chains of 2 or 3
layers and batches of 2 or 3 rows: one has a smaller one, by 2.2%.

Left out is a batch split, in which other rows keep other checkpoints. Checkpoints kept for some of the rows: a front
of plans for these would at best be the lower convex hull of today's, which for 64 layers of 512 and a batch of 1024 is
2% below it at its own points, up to 1.5 forward passes. Rows whose checkpoints are staggered and which go back layer by
layer: in the limit of fine steps a segment's layer takes A / 2 of all rows' bytes A, and in row blocks of r rows of B
its gradient and A r / B; so that gains only where gradients are larger than that, and there 4%. A few layers far wider
than the batch, without momentum, would gain: 784, 6 layers of 4096 and a batch of 1024 recompute 1.30 of a forward pass
from 36 MiB on and 0.42 from 49 on; with some rows of a_3 kept, counted by hand, 1.09 in 40 MiB and 0.67 in 48. There
are no words for that, as a schedule holds rows of a layer in one range.

The persistent classes are searched exactly where `checkpoint.planning.grid` finds that quick enough: then no schedule
of the class is cheaper in the budget, and a smaller budget does not make a faster plan. Other chains, long and uneven
ones, are planned on estimates, in exact bytes; the plan's class says so. Those plans are not the best for certain, and
rarely a smaller budget makes a plan that is a little faster.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from math import inf

from checkpoint.planning.candidate import Candidate, least_cost
from checkpoint.planning.costs import Cost, Flops, block_sizes, cost_of
from checkpoint.planning.grid import Grid
from checkpoint.planning.programs.bounds import least_recompute, least_recompute_in_blocks
from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.once_only import kept_actions, once_only
from checkpoint.planning.programs.temporary import Temporary
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.schedule.stretches import Stretch
from checkpoint.strategies.row_blocks import gradients_bytes, in_row_blocks
from checkpoint.strategies.store_all import store_all

ONCE_ONLY_LAYERS = 64
"""The most layers for which the full once-only class is searched; its fronts grow with the square of it."""
BLOCKED = "persistent with row blocks"
TEMPORARY_LAYERS = 20
"""The most layers for which temporary checkpoints are searched: 0.15 seconds for a chain, 0.4 for one of 24."""


class Search:
    """The search over one chain, with row blocks of at least `minimum_rows` rows; none if that's the whole batch.

    With `persistent` only that class is searched, whose schedules are nested calls; see `checkpoint.schedule.nested`.
    """

    def __init__(self, chain: Chain, cost: Cost, minimum_rows: int, *, persistent: bool = False) -> None:
        self.chain, self.cost, self.minimum_rows, self.persistent = chain, cost, minimum_rows, persistent
        self._sizes = block_sizes(chain.batch_size, minimum_rows=minimum_rows)
        self._subsearches: dict[int, Search] = {}

    def schedule(self, found: Candidate, *, planned_rows: int | None = None) -> Schedule:
        """The schedule of a candidate, its small pieces sized for `planned_rows` rows."""
        stretches = tuple(found.write())
        blocked = any(rows for stretch in stretches for rows in stretch.blocks)
        batch_size = self.chain.batch_size if blocked else None
        return Schedule.in_stretches(self.chain.n_layers, stretches, found.name, batch_size, found.pieces, planned_rows)

    @cached_property
    def store_all(self) -> Candidate:
        """Plain backpropagation."""
        schedule = store_all(n_layers=self.chain.n_layers)
        schedule = replace(schedule, pieces=self.chain.pieces, planned_rows=self.chain.planned_rows)
        peak, cost = simulate(schedule, self.chain).peak_bytes, cost_of(schedule, self.chain, self.cost)
        return Candidate(peak, cost, schedule.name, "all schedules", lambda: schedule.stretches)

    @cached_property
    def smallest(self) -> Candidate:
        """The schedule of the smallest peak, whatever it costs."""
        found = [self._smallest(grid) for grid in (self._whole, self._blocked)]
        found += [self._micro_batches(self._subsearch(rows).smallest, rows) for rows in self._sizes[1:]]
        return min(found, key=lambda candidate: candidate.need_bytes)

    def best(self, budget_bytes: int) -> Candidate | None:
        """The cheapest candidate within the budget, of equals the one for whole batches; None if there is none."""
        if self.store_all.need_bytes <= budget_bytes and isinstance(self.cost, Flops):
            return self.store_all
        found = [self.store_all] if self.store_all.need_bytes <= budget_bytes else []
        blocked: list[Candidate] = []
        if len(self._sizes) > 1:
            blocked += self._persistent(budget_bytes, self._blocked)
            blocked += self._micro_batched(budget_bytes, least_cost(blocked))
        if least_cost(blocked) >= self.lower_bound(budget_bytes):
            if not any(self._estimated(candidate) for candidate in blocked):  # estimates are for whole ones as well
                found += self._persistent(budget_bytes, self._whole)
            if not self.persistent:
                found += self._once_only(budget_bytes)
                found += self._temporary(budget_bytes, least_cost(found + blocked))
        found += blocked
        if not found and self.smallest.need_bytes <= budget_bytes:
            found.append(self.smallest)
        return min(found, key=lambda candidate: candidate.cost, default=None)

    def lower_bound(self, budget_bytes: int, *, row_blocks: bool = False) -> float:
        """A cost that no schedule for whole mini-batches is below or, with `row_blocks`, none at all."""
        if row_blocks:
            return self._floor
        chain, cost = self.chain, self.cost
        layers = range(1, chain.n_layers + 1)
        once = sum(run(layer, chain.batch_size) for layer in layers for run in (cost.forward, cost.backward))
        return once + least_recompute(chain, cost, budget_bytes=budget_bytes)

    def least_cost(self, budget_bytes: int) -> float:
        """A cost that no candidate within the budget is below, in either pieces."""
        again = least_recompute_in_blocks(self.chain, self._ladder.prices, budget_bytes=budget_bytes)
        return self._floor + again

    @cached_property
    def _whole(self) -> Grid:
        return Grid(self.chain, self.cost, [self.chain.batch_size], self.store_all.need_bytes)

    @cached_property
    def _blocked(self) -> Grid:
        return Grid(self.chain, self.cost, self._sizes, self.store_all.need_bytes)

    @cached_property
    def _floor(self) -> float:
        """The cost of each layer once, in the cheapest blocks."""
        return self._ladder.floor(0, self._ladder.n)

    @property
    def _ladder(self) -> Ladder:
        return self._blocked.places

    # Classes

    def _smallest(self, grid: Grid) -> Candidate:
        found = grid.smallest
        name = f"{_class(found.ladder)}, smallest peak"
        return Candidate(found.peak_bytes, inf, name, name, found.stretches)

    def _persistent(self, budget_bytes: int, grid: Grid) -> Iterator[Candidate]:
        budget_bytes = min(budget_bytes, self.store_all.need_bytes)
        exact = grid.exact(budget_bytes) if budget_bytes > 1 else None
        if exact is not None:
            if exact.cost < inf:
                name = _class(exact.ladder)
                yield Candidate(budget_bytes, exact.cost, name, name, exact.stretches)
            return
        best = min(grid.guided(budget_bytes), key=lambda found: found.cost, default=None)
        if best is not None:
            name = _class(best.ladder)
            among = f"{name}, chosen by estimates at {best.n_places} places with {best.n_levels} levels of bytes"
            yield Candidate(budget_bytes, best.cost, name, among, best.stretches)

    def _estimated(self, found: Candidate) -> bool:
        return found.name.startswith(BLOCKED) and found.name != found.optimal_among

    def _once_only(self, budget_bytes: int) -> Iterator[Candidate]:
        chain = self.chain
        if chain.n_layers > ONCE_ONLY_LAYERS:
            return
        front = once_only(chain, self.cost, budget_bytes=budget_bytes)
        if front:
            best = front[-1]
            cost = best.cost + self.store_all.cost
            yield Candidate(
                best.need_bytes, cost, "once-only", "once-only", lambda: [Stretch(tuple(kept_actions(chain, best)))]
            )

    def _temporary(self, budget_bytes: int, best: float) -> Iterator[Candidate]:
        if self.chain.n_layers > TEMPORARY_LAYERS or best <= self.lower_bound(budget_bytes):
            return
        cost, program = self._with_temporary.steps.at(budget_bytes), self._with_temporary
        if cost < best:
            name = "persistent with one temporary checkpoint"
            yield Candidate(budget_bytes, cost, name, name, lambda: [Stretch(tuple(program.actions(budget_bytes)))])

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
            found = self._micro_batches(inside, rows)
            if found.cost > best and type(self.cost) is Flops:  # larger blocks recompute more; reads make up for it
                return
            best = min(best, found.cost)
            yield found

    # Micro-batches

    def _subsearch(self, rows: int) -> "Search":
        if rows not in self._subsearches:
            self._subsearches[rows] = Search(self.chain.micro_batch(rows), self.cost, rows)
        return self._subsearches[rows]

    def _scaled(self, cost: float, rows: int) -> float:
        """The cost of all blocks of which one of `rows` rows has `cost`; that of a smaller last one is estimated."""
        batch_size = self.chain.batch_size
        return cost * batch_size // rows if isinstance(cost, int) else cost * batch_size / rows

    def _micro_batches(self, inner: Candidate, rows: int) -> Candidate:
        batch_size, name = self.chain.batch_size, f"micro-batches of {rows}"
        return Candidate(
            gradients_bytes(self.chain) + inner.need_bytes,
            self._scaled(inner.cost, rows),
            f"{name}, {inner.name} inside",
            f"{name}, inside them {inner.optimal_among}",
            lambda: in_row_blocks(self._subsearch(rows).schedule(inner), batch_size=batch_size, rows=rows).stretches,
        )


def _class(ladder: Ladder) -> str:
    if len(ladder.sizes) == 1:
        return "persistent"
    if ladder.over_segments:
        return f"{BLOCKED}, over several segments too"
    return BLOCKED + (", whose bytes are bounded from above" if ladder.chain.halves else "")
