"""A plan: a schedule for one budget, and what it takes. No arrays here."""

from dataclasses import dataclass

from checkpoint.planning.process import ProcessMemory
from checkpoint.planning.sketch import plan_html, plan_summary
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.units import format_bytes


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A schedule for one budget on `chain`, and what it takes.

    `peak_bytes` are array bytes above rest, exact: the most that live at once. `arena_bytes` are those of the one block
    of memory that holds them all, which is within the budget. `recomputed_layers` counts whole mini-batches,
    `recompute_fraction` is recomputed forward operations over those of one forward pass. `optimal_among` names the
    class of schedules that none is cheaper in, and how much dearer the plan is where the best one's arena does not fit.
    `keeps_bits` says whether gradients are bit-identical to plain backpropagation's, and not only equal up to rounding.

    `cost` is that of the whole step, in the unit of the cost planned with, times
    `checkpoint.planning.pieces.SMALL_PIECES_COST` for a schedule in small pieces. No schedule of the plan's kind costs
    less than `lower_bound` in this budget: none for whole mini-batches or, of a plan with row blocks, none at all.

    `offloaded_bytes` are copied to the host in a step, and back; `host_peak_bytes` are the most there at once; what
    isn't hidden of these copies is part of the cost. `cost_without_offload` is that of the best plan in the same budget
    that offloads nothing, None where there is none. `memory` is how a limit for the whole process made the budget.
    """

    chain: Chain
    schedule: Schedule
    budget_bytes: int
    peak_bytes: int
    arena_bytes: int
    recomputed_layers: int
    recompute_fraction: float
    optimal_among: str
    cost: float
    lower_bound: float
    keeps_bits: bool
    offloaded_bytes: int = 0
    host_peak_bytes: int = 0
    cost_without_offload: float | None = None
    memory: ProcessMemory | None = None

    def __repr__(self) -> str:
        """What the plan takes in three lines, and the first actions of its schedule."""
        rows = "whole mini-batches" if self.row_block is None else f"row blocks of {self.row_block} rows and more"
        return (
            f"<Plan: {self.peak_bytes} bytes ({format_bytes(self.peak_bytes)}) of a budget of {self.budget_bytes}, "
            f"{self.recompute_fraction:.4g} of a forward pass recomputed, {rows};\n"
            f" best of: {self.optimal_among};\n {self.schedule!r}>"
        )

    def summary(self) -> str:
        """A line for each fact of the plan; a notebook shows them beside a picture of the step."""
        return plan_summary(self)

    def _repr_html_(self) -> str:
        return plan_html(self)

    @property
    def row_block(self) -> int | None:
        """The smallest number of rows that the schedule works on at once; None where it is the whole mini-batch."""
        return self.schedule.row_block

    @property
    def gain(self) -> float | None:
        """The part of the cost without offload that offloading saves; None where nothing fits without it."""
        return None if self.cost_without_offload is None else 1 - self.cost / self.cost_without_offload

    @property
    def gap(self) -> float:
        """How far the cost is above the lower bound, as a fraction of it: 0 or more."""
        return max(0.0, self.cost / self.lower_bound - 1) if self.lower_bound else 0.0


def keeps_bits(schedule: Schedule, chain: Chain) -> bool:
    """Whether gradients are bit-identical to those of plain backpropagation.

    They are for whole mini-batches in large pieces: the products are those of plain backpropagation. Where the backend
    adds up in chunks of `chain.sum_rows` rows, whatever the product, they are in small pieces too, and for row blocks
    that begin at multiples of that. Other row blocks add the same terms in another order, and so may the products of
    small pieces.
    """
    if chain.sum_rows is None and schedule.pieces != "large":
        return False
    starts = {rows[0] for stretch in schedule.stretches for rows in stretch.blocks if rows is not None}
    return not starts or (chain.sum_rows is not None and all(start % chain.sum_rows == 0 for start in starts))
