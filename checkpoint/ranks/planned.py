"""A step on several ranks before there is one: the schedule of a rank's budget, and what each rank takes and sends."""

from dataclasses import dataclass

from checkpoint.errors import BudgetError
from checkpoint.planning.budget import resolve_budget, store_all_bytes
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.ranks.cutting import blocks_of, largest_block, own_blocks
from checkpoint.ranks.items import SLOTS, items_of, owners_of, slot_sizes
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.units import format_bytes, parse_bytes

COST_BYTES = 8
"""Of the sum of the steps' costs, which is held between steps too."""


def plan_in(budget: int | str, chain: Chain, *, slot_bytes: int) -> Plan:
    """The plan for a row block, `chain`, in a rank's `budget`, of which its slots take `slot_bytes`.

    Percent are of what store all takes with the slots. Raises `BudgetError` where nothing fits beside them.
    """
    budget_bytes = resolve_budget(budget, chain)
    if isinstance(budget, str) and budget.strip().endswith("%"):
        budget_bytes = parse_bytes(budget, whole_bytes=store_all_bytes(chain) + slot_bytes)
    try:
        return plan_chain(chain, budget_bytes=max(budget_bytes - slot_bytes, 0), row_blocks=False)
    except BudgetError as error:
        least = error.minimum_bytes + slot_bytes
        raise BudgetError(
            f"budget {format_bytes(budget_bytes)} is a rank's, and {format_bytes(slot_bytes)} are for sums that are "
            f"passed on; the least is {format_bytes(least)}: raise the budget, shrink the batch, or use more ranks",
            budget_bytes=budget_bytes,
            minimum_bytes=least,
        ) from None


@dataclass(frozen=True, slots=True)
class RankFigures:
    """What rank `rank` takes: `rows` of the mini-batch, and the `layers` that it owns.

    `rest_bytes` are held between steps: parameters, its rows and its slots, `slot_bytes` of them. The optimizer's state
    comes on top, `state_bytes` for each array that it keeps beside a parameter. `peak_bytes` are above all that.
    """

    rank: int
    rows: int
    layers: tuple[int, ...]
    rest_bytes: int
    slot_bytes: int
    state_bytes: int
    peak_bytes: int
    sent_bytes: int


def figures(schedule: Schedule, chain: Chain, ranks: int, block_rows: int | None = None) -> list[RankFigures]:
    """What each rank takes in a step of `schedule`, a row block's, on mini-batches of `chain`."""
    blocks = blocks_of(chain.batch_size, ranks, block_rows)
    owners = owners_of(chain.widths, ranks)
    items = items_of(chain.widths, rows=largest_block(chain.batch_size, ranks, block_rows))
    slots = sum(slot_sizes(items, SLOTS if block_rows is None else len(items)))
    totals = max(item.values for item in items)
    values = [0] * (chain.n_layers + 1)
    for item in items:
        values[item.layer] += item.values
    found = []
    for rank in range(ranks):
        own = own_blocks(blocks, rank, ranks)
        layers = tuple(layer for layer, owner in enumerate(owners, 1) if owner == rank)
        rows = sum(stop - start for start, stop in own)
        state = sum(values[layer] for layer in layers)
        slot_bytes = chain.array_bytes(slots + (totals if layers else 0))
        sent = len(own) * sum(values) + state
        if own and own[-1] == blocks[-1]:  # it has the totals, and keeps its own
            sent -= state
        rest = sum(values) + rows * (chain.widths[0] + chain.widths[-1])
        sizes = {stop - start for start, stop in own}
        peaks = [simulate(schedule, chain.micro_batch(size)).peak_bytes for size in sizes]
        found.append(
            RankFigures(
                rank,
                rows,
                layers,
                rest * chain.item_bytes + COST_BYTES + slot_bytes,
                slot_bytes,
                state * chain.item_bytes,
                max(peaks, default=0),
                sent * chain.item_bytes,
            )
        )
    return found
