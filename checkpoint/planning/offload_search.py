"""The search with checkpoints on the host beside all that needs none. No arrays here."""

from functools import cached_property

from checkpoint.planning.candidate import Candidate
from checkpoint.planning.costs import Cost, Slower, block_sizes
from checkpoint.planning.offloading import Offloading, cost_with_copies
from checkpoint.planning.pieces import SMALL_PIECES_COST, SearchInPieces
from checkpoint.planning.programs.offloaded import OffloadedCheckpoints, OffloadedPlan
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.stretches import stretches_of

SLOWER = {"large": 1.0, "small": SMALL_PIECES_COST}


class SearchWithOffload:
    """A `SearchInPieces`, with the same methods, that may copy checkpoints to the host at the rates of `offloading`."""

    def __init__(self, plain: SearchInPieces, offloading: Offloading) -> None:
        self.plain, self.offloading = plain, offloading
        self.chain: Chain = plain.chain
        self.cost: Cost = plain.cost
        self.minimum_rows = plain.minimum_rows
        self._sizes = block_sizes(self.chain.batch_size, minimum_rows=plain.minimum_rows)
        self._programs = {
            pieces: OffloadedCheckpoints(
                chain,
                Slower(plain.cost, SLOWER[pieces]),
                lambda size: offloading.copy_cost(size, plain.cost),
                overlapped=offloading.overlapped,
                sizes=self._sizes,
            )
            for pieces, chain in plain.chains.items()
        }
        self._without: dict[int, Candidate | None] = {}

    @property
    def store_all(self) -> Candidate:
        """Plain backpropagation, in large pieces."""
        return self.plain.store_all

    @cached_property
    def smallest(self) -> Candidate:
        """The schedule of the smallest peak, whatever it costs."""
        found = [self.plain.smallest]
        for pieces, program in self._programs.items():
            plan = program.best(program.smallest_peak_bytes)
            if plan is not None:
                found.append(self._candidate(pieces, program, plan, program.smallest_peak_bytes))
        return min(found, key=lambda candidate: candidate.need_bytes)

    def best(self, budget_bytes: int) -> Candidate | None:
        """The cheapest candidate within the budget, of equals the one that offloads nothing; None if there is none."""
        plain = self.without_offload(budget_bytes)
        found = [] if plain is None else [plain]
        if plain is None or plain.cost > self._floor:
            for pieces, program in self._programs.items():
                plan = program.best(budget_bytes)
                if plan is not None:
                    found.append(self._candidate(pieces, program, plan, budget_bytes))
        return min(found, key=lambda candidate: candidate.cost, default=None)

    def without_offload(self, budget_bytes: int) -> Candidate | None:
        """The cheapest candidate that offloads nothing."""
        if budget_bytes not in self._without:
            self._without[budget_bytes] = self.plain.best(budget_bytes)
        return self._without[budget_bytes]

    def lower_bound(self, budget_bytes: int, *, row_blocks: bool = False) -> float:
        """A cost that no schedule is below: that of each layer once, forward and backward."""
        return self.plain.lower_bound(budget_bytes, row_blocks=True) if row_blocks else self._once

    def schedule(self, found: Candidate) -> Schedule:
        """The schedule of a candidate."""
        return self.plain.schedule(found)

    def step_cost(self, schedule: Schedule) -> float:
        """The cost of a step that follows `schedule`, until its last computation and its last copy."""
        slower = SLOWER[schedule.pieces] if schedule.pieces == "small" else 1
        return cost_with_copies(schedule, self.chain, self.cost, self.offloading, slower=slower)

    @cached_property
    def _once(self) -> float:
        return self.plain.lower_bound(self.store_all.need_bytes)

    @cached_property
    def _floor(self) -> float:
        """A cost that no schedule searched is below."""
        return self.plain.lower_bound(0, row_blocks=True) if len(self._sizes) > 1 else self._once

    def _candidate(self, pieces: str, program: OffloadedCheckpoints, plan: OffloadedPlan, need: int) -> Candidate:
        blocks = " with row blocks" if len(self._sizes) > 1 else ""
        if blocks and self.chain.halves:
            blocks += ", whose bytes are bounded from above"
        name = f"once-only segments{blocks}, each checkpoint kept or offloaded"
        return Candidate(
            need,
            plan.cost,
            name,
            name if program.is_exact(need) else f"{name}, at some places or in rounded bytes",
            lambda: stretches_of(program.actions(plan)),
            pieces,
        )
