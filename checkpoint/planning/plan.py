"""A byte budget in, the fastest schedule that fits out. No arrays here: a plan for a GPU can be made without one.

`checkpoint.planning.search` names the classes of schedules that are searched. A plan says of which class it is the
best, and every plan's peak is the one that `simulate` finds. Budgets are for the arena, which may take a little more
than the peak; see `checkpoint.schedule.placement`.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.planning.budget import called, resolve_budget
from checkpoint.planning.costs import FLOPS_BLOCK_ROWS, MEASURED_BLOCK_ROWS, OPERATIONS, Cost, cost_named
from checkpoint.planning.fitting import Fitting, best_fitting
from checkpoint.planning.offload_search import SearchWithOffload
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.pieces import SearchInPieces
from checkpoint.planning.planned import Plan, keeps_bits
from checkpoint.planning.process import ProcessMemory, check_room, memory_within
from checkpoint.planning.refusal import too_small
from checkpoint.schedule.chain import Chain, chain_of, state_arrays
from checkpoint.schedule.layers import GeneralChain
from checkpoint.units import parse_bytes
from mlp.keywords import naming_keywords
from mlp.pieces import PIECES
from mlp.precision import FULL

AnySearch = SearchInPieces | SearchWithOffload


@naming_keywords()
def plan(
    sizes: Iterable[int],
    *,
    batch_size: int,
    budget_bytes: int | str | None = None,
    memory_limit_bytes: int | str | None = None,
    dtype: str = "float32",
    backend: str = "numpy",
    momentum: float = 0.0,
    optimizer: object = None,
    precision: str = FULL,
    cost: Cost | str | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    pieces: str | None = None,
    offloading: Offloading | None = None,
) -> Plan:
    """The fastest plan of all classes for a network of `sizes` whose arena is within `budget_bytes` above rest.

    `budget_bytes` is a whole number, or text as on the command line: "32MiB", or "50%" of store all's arena. `momentum`
    and `optimizer` are the network's: with momentum alone, row blocks add onto the velocity and hold no gradients.
    `precision` is its too: activations in float16 or bfloat16 take two bytes a value, see `mlp.precision`.
    `cost` says what is fast: by default operations, row blocks counting more for the weights that each reads again, see
    `checkpoint.planning.costs.FlopsAndReads`; "operations" counts nothing else, so that nothing is recomputed where
    blocks, however small, spare it. With `row_blocks` False only whole mini-batches are planned, whose gradients are
    bit-identical to plain backpropagation's: on NumPy all, elsewhere in large pieces. Blocks have at least
    `minimum_block_rows` rows: 128 by default where operations are counted, as fewer multiply slowly, and 16 with a
    `cost` that is given. `pieces`, "large" or "small", are those of backward steps; by default small ones are
    planned where they save enough recomputing to be faster, or where nothing else fits. With `offloading`, the rates of
    copies, some checkpoints may go to the host while others stay, where that is cheaper than to recompute.

    `memory_limit_bytes`, in place of a budget, is for the whole process that trains, taken to be this one: what is left
    of it beside what is resident now, see `checkpoint.planning.process`, is the budget, and the plan's `memory` says
    how.

    Raises `BudgetError`, which has the smallest feasible bytes, `CheckpointError` for arguments that are wrong, and
    `NetworkError` for what makes no chain.

    >>> plan([784, 100, 30, 10], batch_size=100, budget_bytes="1MB").recompute_fraction
    0.0
    """
    of: dict[str, Any] = {"dtype": dtype, "backend": backend, "momentum": momentum, "optimizer": optimizer}
    of["precision"] = precision
    chain = chain_of(sizes, batch_size=batch_size, **of)
    if (budget_bytes is None) == (memory_limit_bytes is None):
        raise CheckpointError("a plan needs a budget, and one alone: give budget_bytes or memory_limit_bytes")
    memory = None
    if memory_limit_bytes is not None:
        memory = memory_for(chain, memory_limit_bytes, states=state_arrays(momentum=momentum, optimizer=optimizer))
        check_room(memory, search_of(chain, row_blocks=row_blocks, pieces=pieces))
    found = plan_chain(
        chain,
        budget_bytes=memory.budget_bytes if memory is not None else budget_bytes,  # type: ignore[arg-type]
        cost=cost,
        row_blocks=row_blocks,
        minimum_block_rows=minimum_block_rows,
        pieces=pieces,
        offloading=offloading,
    )
    return replace(found, memory=memory)


def memory_for(chain: Chain, limit: int | str, *, states: int = 0) -> ProcessMemory:
    """How a limit for this whole process, in bytes or as text such as "512MiB", is split in a run on `chain`.

    `states`: how many arrays the optimizer keeps for each parameter.
    """
    with called("memory_limit_bytes"):
        limit_bytes = parse_bytes(limit) if isinstance(limit, str) else whole_number("a limit", limit)
    return memory_within(limit_bytes, chain, states=states)


def plan_chain(
    chain: Chain,
    *,
    budget_bytes: int | str,
    cost: Cost | str | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    pieces: str | None = None,
    offloading: Offloading | None = None,
    given: int | str | None = None,
) -> Plan:
    """`plan` for a chain. `given` is what errors call the budget, where it was text from which these bytes follow."""
    search_at = partial(
        search_of,
        cost=cost,
        row_blocks=row_blocks,
        minimum_block_rows=minimum_block_rows,
        pieces=pieces,
        offloading=offloading,
    )
    search = search_at(chain)
    with called("budget_bytes"):
        within_bytes = resolve_budget(budget_bytes, chain)
    found = best_fitting(search, within_bytes)
    if found is None:
        raise too_small(search, within_bytes, given=given or budget_bytes, row_blocks=row_blocks, search_at=search_at)
    return plan_of(search, found, within_bytes)


def search_of(
    chain: Chain,
    *,
    cost: Cost | str | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    pieces: str | None = None,
    offloading: Offloading | None = None,
) -> AnySearch:
    """The search that `plan_chain` makes, to be asked for several budgets. Raises `CheckpointError` for wrong types."""
    if not isinstance(chain, Chain):
        raise CheckpointError(f"chain must be a Chain, such as chain_of makes; got {repr(chain)[:60]}")
    named = cost is None or (isinstance(cost, str) and cost == OPERATIONS)
    if not named and not (callable(getattr(cost, "forward", None)) and callable(getattr(cost, "backward", None))):
        raise CheckpointError(
            f"cost must have the methods of Cost, forward and backward, or be {OPERATIONS!r}; got {repr(cost)[:60]}"
        )
    if offloading is not None and not isinstance(offloading, Offloading):
        raise CheckpointError(f"offloading must be an Offloading, the rates of copies; got {repr(offloading)[:60]}")
    if pieces not in (None, *PIECES):
        raise CheckpointError(f"unknown pieces {pieces!r}; choose {' or '.join(PIECES)}, or None for the better")
    if isinstance(chain, GeneralChain):
        pieces = "large"  # its workspaces are given, whatever the pieces
        if offloading is not None:
            raise CheckpointError("a chain that is given as numbers is not offloaded; leave offloading out")
    if minimum_block_rows is None:
        minimum_block_rows = FLOPS_BLOCK_ROWS if named else MEASURED_BLOCK_ROWS
    minimum_block_rows = whole_number("minimum_block_rows", minimum_block_rows)
    minimum_rows = minimum_block_rows if row_blocks else chain.batch_size
    plain = SearchInPieces(chain, cost_named(cost, chain), minimum_rows, pieces=pieces)
    return plain if offloading is None else SearchWithOffload(plain, offloading)


def plan_of(search: AnySearch, found: Fitting, budget_bytes: int) -> Plan:
    """What `search` found within a budget, as a plan."""
    chain, schedule, weight = search.chain, found.schedule, found.weight
    without_offload: float | None = found.cost
    if weight.offloaded_bytes and isinstance(search, SearchWithOffload):
        plain = best_fitting(search.plain, budget_bytes)
        without_offload = None if plain is None else plain.cost
    return Plan(
        chain=chain,
        schedule=schedule,
        budget_bytes=budget_bytes,
        peak_bytes=weight.peak_bytes,
        arena_bytes=weight.arena_bytes,
        recomputed_layers=weight.recomputed_layers,
        recompute_fraction=weight.recompute_fraction,
        optimal_among=found.optimal_among,
        cost=found.cost,
        lower_bound=search.lower_bound(budget_bytes, row_blocks=schedule.row_block is not None),
        keeps_bits=keeps_bits(schedule, chain),
        offloaded_bytes=weight.offloaded_bytes,
        host_peak_bytes=weight.host_peak_bytes,
        cost_without_offload=without_offload,
    )
