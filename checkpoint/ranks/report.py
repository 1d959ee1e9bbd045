"""What `plan --ranks` finds, as JSON and as text. No arrays here."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from checkpoint.planning.choice import Choice
from checkpoint.planning.offloading import Offloading
from checkpoint.ranks.cutting import check_block_rows, check_cut, largest_block
from checkpoint.ranks.items import items_in, owners_of
from checkpoint.ranks.model import TABLE, WELL_USED, efficiency, most_well_used
from checkpoint.ranks.planned import figures, plan_in
from checkpoint.ranks.slots import most_slot_values
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.units import counted, format_bytes

SHOWN_RANKS = 16
MOST_RANKS = 10_000


def report_of(
    chain: Chain,
    choice: Choice,
    ranks: int,
    *,
    sum_groups: int | None = None,
    offloading: Offloading | None = None,
) -> dict[str, Any]:
    """What each of `ranks` ranks takes in a step by `choice`, and how well they are used, by a model.

    `sum_groups`: of how many groups of rows sums are made. `offloading`: the rates to weigh offloading at.
    """
    block_rows = None if choice.micro_batch_rows is None else check_block_rows(choice.micro_batch_rows)
    cut: dict[str, Any] = {"block_rows": block_rows, "sum_groups": check_cut(block_rows, sum_groups)}
    schedule = schedule_of(chain, choice, ranks, offloading=offloading, **cut)
    table = [(number, efficiency(schedule, chain, number, **cut)) for number in TABLE]
    return {
        "title": chain.title,
        "ranks": [asdict(rank) | {"layers": list(rank.layers)} for rank in figures(schedule, chain, ranks, **cut)],
        **cut,
        "text": str(schedule),
        "efficiency": efficiency(schedule, chain, ranks, **cut),
        "well_used_ranks": most_well_used(schedule, chain, **cut),
        "bits_depend_on_ranks": chain.sum_rows is None and block_rows is None,
        "on_gpu": chain.sum_rows is None,
        "efficiencies": [{"ranks": number, "efficiency": part} for number, part in table],
    }


def schedule_of(
    chain: Chain,
    choice: Choice,
    ranks: int,
    *,
    block_rows: int | None,
    sum_groups: int | None,
    offloading: Offloading | None = None,
) -> Schedule:
    """The schedule of a rank's row blocks. Raises `CheckpointError` where there is none."""
    rows = largest_block(chain.batch_size, ranks, block_rows, sum_groups=sum_groups)
    block = chain.micro_batch(rows)
    if choice.checkpoint != "optimal":
        return choice.within_blocks.schedule(block)
    values = most_slot_values(
        items_in(chain, rows),
        owners_of(chain.widths, ranks),
        ranks=ranks,
        block_rows=block_rows,
        sum_groups=sum_groups,
    )
    slot_bytes = chain.array_bytes(values)
    return plan_in(choice.budget or "100%", block, slot_bytes=slot_bytes, offloading=offloading).schedule


def report_text(report: Mapping[str, Any]) -> str:
    """The lines that say what a `report_of` has."""
    ranks = report["ranks"]
    headers = ["rank", "rows", "layers\nowned", "at rest", "of it\nslots", "state, for\neach array", "peak above\nrest"]
    sizes = ["rest_bytes", "slot_bytes", "state_bytes", "peak_bytes"]
    for size, header in (("host_bytes", "most\noffloaded"), ("pinned_bytes", "pinned on\nthe host")):
        if any(rank[size] for rank in ranks):
            headers, sizes = [*headers, header], [*sizes, size]
    headers, sizes = [*headers, "sent\na step"], [*sizes, "sent_bytes"]
    rows = [
        [rank["rank"], rank["rows"], len(rank["layers"]), *(format_bytes(rank[size]) for size in sizes)]
        for rank in ranks[:SHOWN_RANKS]
    ]
    more = f"\nand {counted(len(ranks) - SHOWN_RANKS, 'rank')} more" if len(ranks) > SHOWN_RANKS else ""
    model = [[entry["ranks"], f"{entry['efficiency']:.2f}"] for entry in report["efficiencies"]]
    return (
        f"{report['title']}, on {counted(len(ranks), 'rank')}: {_how(report)}\n\n"
        f"{tabulate(rows, headers, disable_numparse=True, stralign='right')}{more}\n\n"
        f"By a model that counts operations alone, with equal ranks and passing on for nothing, {len(ranks)} compute "
        f"{report['efficiency']:.0%} of the time in a step; up to {report['well_used_ranks']} do so for "
        f"{WELL_USED:.0%} or more:\n\n{tabulate(model, ['ranks', 'efficiency'], disable_numparse=True)}"
    )


def _how(report: Mapping[str, Any]) -> str:
    """How rows are cut and sums are made, and what bits the weights have."""
    how = "one share a rank" if report["block_rows"] is None else f"row blocks of {report['block_rows']} rows in turns"
    if report["bits_depend_on_ranks"]:
        return f"{how}; a GPU's sums depend on how rows are cut, so the last bits of weights do on the number of ranks"
    if report["sum_groups"] is not None:
        return f"{how}; sums of {report['sum_groups']} groups of rows, whose bits no number of ranks changes"
    bits = "one process with the same row blocks" if report["on_gpu"] else "one process"
    return f"{how}; the weights are those of {bits}"
