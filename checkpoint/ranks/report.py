"""What `plan --ranks` finds, as JSON and as text. No arrays here."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from checkpoint.errors import CheckpointError
from checkpoint.planning.choice import Choice
from checkpoint.ranks.cutting import check_block_rows, largest_block
from checkpoint.ranks.items import SLOTS, items_of, slot_sizes
from checkpoint.ranks.model import TABLE, WELL_USED, efficiency, most_well_used
from checkpoint.ranks.planned import figures, plan_in
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.units import counted, format_bytes

SHOWN_RANKS = 16
MOST_RANKS = 10_000


def report_of(chain: Chain, choice: Choice, ranks: int) -> dict[str, Any]:
    """What each of `ranks` ranks takes in a step by `choice`, and how well they are used, by a model."""
    block_rows = None if choice.micro_batch_rows is None else check_block_rows(choice.micro_batch_rows)
    if chain.sum_rows is None:
        raise CheckpointError("ranks need sums in one order however rows are cut, which numpy's are; use its backend")
    schedule = schedule_of(chain, choice, ranks, block_rows)
    table = [(number, efficiency(schedule, chain, number, block_rows)) for number in TABLE]
    return {
        "title": chain.title,
        "ranks": [asdict(rank) | {"layers": list(rank.layers)} for rank in figures(schedule, chain, ranks, block_rows)],
        "block_rows": block_rows,
        "text": str(schedule),
        "efficiency": efficiency(schedule, chain, ranks, block_rows),
        "well_used_ranks": most_well_used(schedule, chain, block_rows),
        "efficiencies": [{"ranks": number, "efficiency": part} for number, part in table],
    }


def schedule_of(chain: Chain, choice: Choice, ranks: int, block_rows: int | None) -> Schedule:
    """The schedule of a rank's row blocks. Raises `CheckpointError` where there is none."""
    rows = largest_block(chain.batch_size, ranks, block_rows)
    block = chain.micro_batch(rows)
    if choice.checkpoint != "optimal":
        return choice.within_blocks.schedule(block)
    items = items_of(chain.widths, rows=rows)
    values = sum(slot_sizes(items, SLOTS)) + max(item.values for item in items)
    return plan_in(choice.budget or "100%", block, slot_bytes=chain.array_bytes(values)).schedule


def report_text(report: Mapping[str, Any]) -> str:
    """The lines that say what a `report_of` has."""
    ranks = report["ranks"]
    headers = ["rank", "rows", "layers\nowned", "at rest", "of it\nslots", "state, for\neach array", "peak above\nrest"]
    headers.append("sent\na step")
    sizes = ("rest_bytes", "slot_bytes", "state_bytes", "peak_bytes", "sent_bytes")
    rows = [
        [rank["rank"], rank["rows"], len(rank["layers"]), *(format_bytes(rank[size]) for size in sizes)]
        for rank in ranks[:SHOWN_RANKS]
    ]
    more = f"\nand {counted(len(ranks) - SHOWN_RANKS, 'rank')} more" if len(ranks) > SHOWN_RANKS else ""
    model = [[entry["ranks"], f"{entry['efficiency']:.2f}"] for entry in report["efficiencies"]]
    how = "one share a rank" if report["block_rows"] is None else f"row blocks of {report['block_rows']} rows in turns"
    return (
        f"{report['title']}, on {counted(len(ranks), 'rank')}: {how}; the weights are those of one process\n\n"
        f"{tabulate(rows, headers, disable_numparse=True, stralign='right')}{more}\n\n"
        f"By a model that counts operations alone, with equal ranks and passing on for nothing, {len(ranks)} compute "
        f"{report['efficiency']:.0%} of the time in a step; up to {report['well_used_ranks']} do so for "
        f"{WELL_USED:.0%} or more:\n\n{tabulate(model, ['ranks', 'efficiency'], disable_numparse=True)}"
    )
