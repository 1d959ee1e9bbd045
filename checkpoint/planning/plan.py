"""A byte budget in, the fastest schedule that fits out. No arrays here: a plan for a GPU can be made without one.

Every class of schedules that is searched is named in `checkpoint.strategies`. A plan says of which class it is the
best, and every plan's peak is the one that `simulate` finds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from checkpoint.errors import BudgetError, CheckpointError
from checkpoint.planning.costs import FLOPS_BLOCK_ROWS, MEASURED_BLOCK_ROWS, Cost, Flops
from checkpoint.planning.offload_search import SearchWithOffload
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.pieces import SearchInPieces
from checkpoint.planning.search import Candidate
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.units import format_bytes
from mlp.pieces import PIECES

AnySearch = SearchInPieces | SearchWithOffload


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule for one budget, and what it takes.

    `peak_bytes` are array bytes above rest, exact. `recomputed_layers` counts whole mini-batches, `recompute_fraction`
    is recomputed forward operations over those of one forward pass. `row_block` is the smallest number of rows that the
    schedule works on at once, None where it is the whole mini-batch. `keeps_bits` says whether gradients are those of
    plain backpropagation to the last bit, and not only up to rounding. `optimal_among` names the class that it is the
    best of. `cost` is that of the whole step, in the unit of the cost planned with, times
    `checkpoint.planning.pieces.SMALL_PIECES_COST` for a schedule in small pieces; and `lower_bound` is a cost that no schedule
    for whole mini-batches is below.

    `offloaded_bytes` are copied to the host in a step, and back; `host_peak_bytes` are the most there at once; the cost
    has in it what isn't hidden of these copies. `cost_without_offload` is that of the best plan in the same budget that
    offloads nothing, None where there is none.
    """

    schedule: Schedule
    budget_bytes: int
    peak_bytes: int
    recomputed_layers: int
    recompute_fraction: float
    row_block: int | None
    optimal_among: str
    cost: float
    lower_bound: float
    keeps_bits: bool
    offloaded_bytes: int = 0
    host_peak_bytes: int = 0
    cost_without_offload: float | None = None

    @property
    def gain(self) -> float | None:
        """The part of the cost without offload that offloading saves; None where nothing fits without it."""
        return None if self.cost_without_offload is None else 1 - self.cost / self.cost_without_offload

    @property
    def gap(self) -> float:
        """How far the cost is above the lower bound, as a fraction of it; row blocks can bring it below."""
        return self.cost / self.lower_bound - 1 if self.lower_bound else 0.0


def plan(
    sizes: Iterable[int],
    *,
    batch_size: int,
    budget_bytes: int,
    dtype: str = "float32",
    backend: str = "numpy",
    cost: Cost | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    pieces: str | None = None,
    offload: Offloading | None = None,
) -> Plan:
    """The fastest plan of all classes for a network of `sizes` that takes no more than `budget_bytes` above rest.

    `cost` says what is fast: operations, unless it is given. With `row_blocks` False only whole mini-batches are
    planned, whose gradients are bit-identical to plain backpropagation's: on NumPy all, elsewhere in large pieces.
    Blocks have at least `minimum_block_rows` rows: 128 by default where operations are counted, which can't see that
    fewer are slow, and 16 with a `cost`. `pieces`, "large" or "small", are those of backward steps; by default small
    ones are planned where they save enough recomputing to be faster, or where nothing else fits. With `offload`,
    checkpoints may be copied to the host at these rates, where that is cheaper than to recompute; whole mini-batches
    only.

    Raises `BudgetError`, which has the smallest feasible bytes, and `NetworkError` for what makes no chain.

    >>> plan([784, 100, 30, 10], batch_size=100, budget_bytes=10**6).recompute_fraction
    0.0
    """
    chain = chain_of(sizes, batch_size=batch_size, dtype=dtype, backend=backend)
    return plan_chain(
        chain,
        budget_bytes=budget_bytes,
        cost=cost,
        row_blocks=row_blocks,
        minimum_block_rows=minimum_block_rows,
        pieces=pieces,
        offload=offload,
    )


def plan_chain(
    chain: Chain,
    *,
    budget_bytes: int,
    cost: Cost | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    pieces: str | None = None,
    offload: Offloading | None = None,
) -> Plan:
    """`plan` for a chain."""
    if not (isinstance(budget_bytes, int) and budget_bytes >= 0):
        raise CheckpointError(f"a budget is a whole number of bytes; got {budget_bytes!r}")
    search = search_of(
        chain,
        cost=cost,
        row_blocks=row_blocks,
        minimum_block_rows=minimum_block_rows,
        pieces=pieces,
        offload=offload,
    )
    found = search.best(budget_bytes)
    if found is None:
        smallest = search.smallest.need_bytes
        raise BudgetError(
            f"budget {format_bytes(budget_bytes)} is below this network's smallest peak, {format_bytes(smallest)} at "
            f"batch {chain.batch_size}; {_advice(chain, search)}",
            budget_bytes=budget_bytes,
            minimum_bytes=smallest,
        )
    return plan_of(search, found, budget_bytes)


def search_of(
    chain: Chain,
    *,
    cost: Cost | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    pieces: str | None = None,
    offload: Offloading | None = None,
) -> AnySearch:
    """The search that `plan_chain` makes, to be asked for several budgets."""
    if minimum_block_rows is None:
        minimum_block_rows = FLOPS_BLOCK_ROWS if cost is None else MEASURED_BLOCK_ROWS
    if minimum_block_rows < 1:
        raise CheckpointError(f"a row block has at least one row; got minimum_block_rows={minimum_block_rows}")
    if pieces not in (None, *PIECES):
        raise CheckpointError(f"unknown pieces {pieces!r}; choose {' or '.join(PIECES)}, or None for the better")
    minimum_rows = minimum_block_rows if row_blocks else chain.batch_size
    plain = SearchInPieces(chain, cost or Flops(chain), minimum_rows, pieces=pieces)
    return plain if offload is None else SearchWithOffload(plain, offload)


def plan_of(search: AnySearch, found: Candidate, budget_bytes: int) -> Plan:
    """What `search` found within a budget, as a plan."""
    chain, schedule = search.chain, search.schedule(found)
    simulation = simulate(schedule, chain)
    rows = min((action.rows[1] - action.rows[0] for action in schedule if action.rows), default=None)
    cost = search.step_cost(schedule)
    return Plan(
        schedule=schedule,
        budget_bytes=budget_bytes,
        peak_bytes=simulation.peak_bytes,
        recomputed_layers=simulation.recomputed_layers,
        recompute_fraction=simulation.recompute_fraction,
        row_block=rows,
        optimal_among=found.optimal_among,
        cost=cost,
        lower_bound=search.lower_bound(budget_bytes),
        keeps_bits=keeps_bits(schedule, chain),
        offloaded_bytes=simulation.offloaded_bytes,
        host_peak_bytes=simulation.host_peak_bytes,
        cost_without_offload=_without_offload(search, budget_bytes) if simulation.offloaded_bytes else cost,
    )


def keeps_bits(schedule: Schedule, chain: Chain) -> bool:
    """Whether gradients are those of plain backpropagation to the last bit.

    They are for whole mini-batches in large pieces: the products are those of plain backpropagation. Where the backend
    adds up in chunks of `chain.sum_rows` rows, whatever the product, they are in small pieces too, and for row blocks
    that begin at multiples of that. Other row blocks add the same terms in another order, and so may the products of
    small pieces.
    """
    if chain.sum_rows is None and schedule.pieces != "large":
        return False
    starts = {action.rows[0] for action in schedule if action.rows is not None}
    return not starts or (chain.sum_rows is not None and all(start % chain.sum_rows == 0 for start in starts))


def _without_offload(search: AnySearch, budget_bytes: int) -> float | None:
    if not isinstance(search, SearchWithOffload):
        return None
    found = search.without_offload(budget_bytes)
    return None if found is None else search.step_cost(search.schedule(found))


def _advice(chain: Chain, search: AnySearch) -> str:
    advice = "raise the budget or shrink the batch"
    if search.minimum_rows >= chain.batch_size > 1:
        return advice + ", or allow row blocks"
    return advice
