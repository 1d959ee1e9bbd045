"""A step on several ranks before there is one: the schedule of a rank's budget, and what each rank takes and sends."""

from collections.abc import Iterable
from dataclasses import dataclass

from checkpoint.errors import BudgetError
from checkpoint.planning.budget import resolve_budget, store_all_bytes
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.ranks.cutting import blocks_of, groups_of, own_blocks
from checkpoint.ranks.groups import spans_of
from checkpoint.ranks.items import items_in, owners_of
from checkpoint.ranks.slots import SlotSizes, pinned_starts, slots_of
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.units import format_bytes, least_bytes, parse_bytes
from mlp.uptake import ONTO_VELOCITY

COST_BYTES = 8
"""Of the sum of the steps' costs, which is held between steps too."""


def plan_in(budget: int | str, chain: Chain, *, slot_bytes: int, offloading: Offloading | None = None) -> Plan:
    """The plan for a row block, `chain`, in a rank's `budget`, of which its slots take `slot_bytes`.

    Percent are of what store all takes with the slots. Raises `BudgetError` where nothing fits beside them.
    """
    budget_bytes = resolve_budget(budget, chain)
    if isinstance(budget, str) and budget.strip().endswith("%"):
        budget_bytes = parse_bytes(budget, whole_bytes=store_all_bytes(chain) + slot_bytes)
    try:
        left = max(budget_bytes - slot_bytes, 0)
        return plan_chain(chain, budget_bytes=left, row_blocks=False, offloading=offloading)
    except BudgetError as error:
        least = error.minimum_bytes + slot_bytes
        raise BudgetError(
            f"budget {format_bytes(budget_bytes)} is a rank's, and {format_bytes(slot_bytes)} are for sums that are "
            f"passed on; the least is {least_bytes(least)}: raise the budget, shrink the batch, or use more ranks",
            budget_bytes=budget_bytes,
            minimum_bytes=least,
        ) from None


@dataclass(frozen=True, slots=True)
class RankFigures:
    """What rank `rank` takes: `rows` of the mini-batch, and the `layers` that it owns.

    `rest_bytes` are held between steps: parameters, its rows and its slots, `slot_bytes` of them. The optimizer's state
    comes on top, `state_bytes` for each array that it keeps beside a parameter. `peak_bytes` are above all that.
    `host_bytes` are the most that it offloads at once. `pinned_bytes` of the host are pinned where it has a GPU and MPI
    takes none of its arrays.
    """

    rank: int
    rows: int
    layers: tuple[int, ...]
    rest_bytes: int
    slot_bytes: int
    state_bytes: int
    peak_bytes: int
    host_bytes: int
    pinned_bytes: int
    sent_bytes: int


def figures(
    schedule: Schedule, chain: Chain, ranks: int, block_rows: int | None = None, *, sum_groups: int | None = None
) -> list[RankFigures]:
    """What each rank takes in a step of `schedule`, a row block's, on mini-batches of `chain`."""
    blocks = blocks_of(chain.batch_size, ranks, block_rows, sum_groups=sum_groups)
    spans = spans_of(blocks, groups_of(chain.batch_size, sum_groups))
    owners = owners_of(chain.widths, ranks)
    items = items_in(chain, max(stop - start for start, stop in blocks))
    values = [0] * (chain.n_layers + 1)
    for item in items:
        values[item.layer] += item.values
    seeded = chain.uptake == ONTO_VELOCITY and sum_groups is None
    found = []
    for rank in range(ranks):
        own = own_blocks(blocks, rank, ranks)
        layers = tuple(layer for layer, owner in enumerate(owners, 1) if owner == rank)
        rows = sum(stop - start for start, stop in own)
        state = sum(values[layer] for layer in layers)
        sizes = slots_of(items, owns=bool(layers), rank=rank, ranks=ranks, block_rows=block_rows, sum_groups=sum_groups)
        passed = sum(not span.stays for block in spans[rank::ranks] for span in block)
        sent = passed * sum(values) + (state if ranks > 1 else 0)
        if own and own[-1] == blocks[-1]:  # it has the totals, and keeps its own
            sent -= state
        seeds = layers if seeded and rank else ()
        sent += sum(values[layer] for layer in seeds)
        rest = sum(values) + rows * (chain.widths[0] + chain.widths[-1])
        steps = [simulate(schedule, chain.micro_batch(size)) for size in {stop - start for start, stop in own}]
        found.append(
            RankFigures(
                rank,
                rows,
                layers,
                (rest + sizes.values) * chain.item_bytes + COST_BYTES,
                sizes.values * chain.item_bytes,
                state * chain.item_bytes,
                max((step.peak_bytes for step in steps), default=0),
                max((step.host_peak_bytes for step in steps), default=0),
                pinned_bytes(sizes, chain, seeds) if not chain.error_in_place and ranks > 1 else 0,
                sent * chain.item_bytes,
            )
        )
    return found


def pinned_bytes(sizes: SlotSizes, chain: Chain, seeds: Iterable[int]) -> int:
    """What a rank pins of the host's memory to pass on what is on a GPU: its slots, and all weights.

    `seeds` are the layers whose velocities it sends.
    """
    layers = [chain.widths[layer - 1 : layer + 1] for layer in (*range(1, chain.n_layers + 1), *seeds)]
    values = [*sizes.passed, *(size for n_in, n_out in layers for size in (n_in * n_out, n_out))]
    return pinned_starts(size * chain.item_bytes for size in values)[-1]
