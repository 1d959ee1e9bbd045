"""What `plan` says of a schedule: its figures, which are its JSON, and lines of text, which are made of them.

No arrays here. `checkpoint/commands/JSON.md` describes the keys.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from checkpoint.planning.costs import Cost, Flops, FlopsAndReads, cost_named
from checkpoint.planning.front import Front, FrontPoint
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.planned import Plan, keeps_bits
from checkpoint.planning.process import ProcessMemory, largest, memory_report, parts_of, pool_bytes
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.columns import counted_actions
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.placement import arena_bytes
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.schedule.text import legend
from checkpoint.strategies import store_all
from checkpoint.units import counted, format_bytes
from mlp.precision import FULL

SHOWN_CHARACTERS = 400
"""Of a schedule in print; the JSON has all of it."""


def unit_of(cost: Cost | str | None, chain: Chain) -> str:
    """What a cost counts: operations and weights read again, unless it is measured, or given with the chain."""
    if cost is None and isinstance(chain, GeneralChain):
        return "the chain's unit"
    counting = cost_named(cost, chain)
    if isinstance(counting, FlopsAndReads):
        return "operations and weights read again"
    return "operations" if isinstance(counting, Flops) else "predicted seconds"


def chain_report(
    chain: Chain, *, dtype: str | None = None, precision: str | None = None, backend: str | None = None
) -> dict[str, Any]:
    """The keys that say what is planned for; a chain that is given as numbers has neither sizes nor a dtype."""
    given = isinstance(chain, GeneralChain)
    return {
        "title": chain.title,
        "sizes": None if given else list(chain.widths),
        "batch_size": None if given else chain.batch_size,
        "dtype": dtype,
        "precision": precision,
        "backend": backend,
        "gradients": None if given else chain.uptake,
        "store_all_peak_bytes": simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes,
    }


def schedule_report(
    chain: Chain,
    schedule: Schedule,
    *,
    plan: Plan | None,
    cost: Cost | str | None = None,
    offloading: Offloading | None = None,
    states: int = 0,
) -> dict[str, Any]:
    """The keys of a schedule, and where it was planned those of the plan; `offloading`: the rates it was planned at.

    `states`: how many arrays the optimizer keeps for each parameter.
    """
    simulation = simulate(schedule, chain)
    parts = None if isinstance(chain, GeneralChain) else parts_of(chain, simulation.peak_bytes, states=states)
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    arena = plan.arena_bytes if plan else arena_bytes(schedule, chain)
    return {
        "planned": plan is not None,
        "schedule": schedule.as_record(),
        "counted_actions": len(counted_actions(schedule)),
        "text": str(schedule),
        "budget_bytes": plan.budget_bytes if plan else None,
        "peak_bytes": simulation.peak_bytes,
        "peak_share": simulation.peak_bytes / whole,
        "arena_bytes": arena,
        "pool_bytes": pool_bytes(chain, arena),
        "bytes_after": list(simulation.bytes_after),
        "recomputed_layers": simulation.recomputed_layers,
        "recompute_fraction": simulation.recompute_fraction,
        "keeps_bits": keeps_bits(schedule, chain),
        "optimal_among": plan.optimal_among if plan else None,
        "row_block": plan.row_block if plan else None,
        "cost": plan.cost if plan else None,
        "cost_unit": unit_of(cost, chain),
        "lower_bound": plan.lower_bound if plan else None,
        "gap": plan.gap if plan else None,
        "offloaded_bytes": simulation.offloaded_bytes,
        "host_peak_bytes": simulation.host_peak_bytes,
        "offload_gain": plan.gain if plan else None,
        "offloading": asdict(offloading) if offloading else None,
        "memory": memory_report(plan.memory if plan else None),
        "parts_bytes": parts,
        "largest_part": largest(parts) if parts else None,
    }


def front_report(front: Front, *, cost: Cost | str | None = None) -> dict[str, Any]:
    """The keys of a front; a plan that is a well-known schedule is one point."""
    whole = front.store_all.cost
    plans = [_what_it_takes(point) for point in front.points if point.planned]
    points = [point for point in front.points if point.planned or _what_it_takes(point) not in plans]
    return {
        "front": [{**asdict(point), "cost_ratio": point.cost / whole} for point in points],
        "front_complete": front.complete,
        "front_cost_unit": unit_of(cost, front.chain),
        "parameter_bytes": front.parameter_bytes,
        "mini_batch_bytes": front.mini_batch_bytes,
        "run_bytes": front.run_bytes,
        "step_share": front.store_all.peak_bytes / front.run_bytes,
    }


def _what_it_takes(point: FrontPoint) -> tuple[str, int, int, float]:
    return point.name, point.peak_bytes, point.arena_bytes, point.cost


def front_text(front: Front, report: Mapping[str, Any]) -> str:
    """The table of a front, of what a `chain_report` and a `front_report` have together."""
    chain = front.chain
    title = f"{chain.title}: plans that none beats, beside well-known schedules"
    headers = [
        "peak",
        "peak bytes",
        "arena bytes",
        "recomputed,\nforward passes",
        "cost of\na step",
        "least rows\nat once",
        "",
        "schedule",
    ]
    aligned = (*["right"] * 6, "left", "left")
    table = tabulate(list(_front_rows(report["front"])), headers, disable_numparse=True, colalign=aligned)
    part = "All plans of the front" if front.complete else "Some plans of the front, for budgets evenly spaced"
    notes = f"{part}. Peaks are above rest; costs count {report['front_cost_unit']}, store all's is 1."
    return "\n".join([title, "", table, "", notes, *front.advice])


def _front_rows(points: list[dict[str, Any]]) -> Iterator[list[str]]:
    for point in points:
        yield [
            format_bytes(point["peak_bytes"]),
            f"{point['peak_bytes']:,}",
            f"{point['arena_bytes']:,}",
            f"{point['recompute_fraction']:.3f}",
            f"{point['cost_ratio']:.3f}",
            "all" if point["row_block"] is None else str(point["row_block"]),
            "plan" if point["planned"] else "beaten" if point["dominated"] else "as good",
            point["name"],
        ]


def schedule_text(report: Mapping[str, Any]) -> str:
    """The lines that say what a `chain_report` and a `schedule_report` have together."""
    return "\n".join(_lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    planned, schedule = report["planned"], report["schedule"]
    name = f"planned in {format_bytes(report['budget_bytes'])}" if planned else schedule["name"]
    precision = None if report["precision"] in (None, FULL) else f"precision {report['precision']}"
    of = ", ".join(["", *filter(None, (report["dtype"], precision, report["backend"]))])
    yield f"{report['title']}{of}: {name}"
    yield (
        f"peak above rest: {report['peak_bytes']:,} bytes ({format_bytes(report['peak_bytes'])}), "
        f"{report['peak_share']:.1%} of store all's {format_bytes(report['store_all_peak_bytes'])}"
    )
    arena, budget = report["arena_bytes"], report["budget_bytes"]
    yield (
        f"arena: {arena:,} bytes in one block ({format_bytes(arena)}"
        + (f" of the budget's {format_bytes(budget)}" if planned else "")
        + f"), {arena / report['peak_bytes'] - 1:.1%} above the peak"
    )
    if report["pool_bytes"] is not None:
        yield f"on the GPU the pool takes {report['pool_bytes']:,} bytes: parameters, two mini-batches, the arena"
    yield (
        f"recomputed: {counted(report['recomputed_layers'], 'layer')} a step, {report['recompute_fraction']:.1%} of "
        f"the operations of a forward pass; backward steps in {schedule['pieces']} pieces"
    )
    exactly = "to the last bit" if report["keeps_bits"] else "up to rounding, as sums run in another order"
    yield f"gradients: those of plain backpropagation {exactly}"
    if planned:
        blocks = f"row blocks of {report['row_block']} rows and more" if report["row_block"] else "whole mini-batches"
        yield f"optimal among: {report['optimal_among']}; this one works on {blocks}"
        yield f"cost in {report['cost_unit']}: {_cost(report)}"
    if report["offloaded_bytes"]:
        yield (
            f"offloaded: {format_bytes(report['offloaded_bytes'])} a step and back, at most "
            f"{format_bytes(report['host_peak_bytes'])} there at once{_gain(report)}"
        )
    elif report["offloading"]:
        yield "offloaded: nothing, as the best schedule that copies checkpoints is no cheaper at these rates"
    if report["memory"]["limit_bytes"] is not None:
        memory = {name: size for name, size in report["memory"].items() if name != "budget_bytes"}
        yield f"memory limit: {ProcessMemory(**memory)}"
    if report["parts_bytes"]:
        sizes = ((name.replace("_", "-"), size) for name, size in report["parts_bytes"].items() if size)
        parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in sizes)
        yield f"a run takes beside its data: {parts}; the largest part is {report['largest_part']}"
    text = report["text"]
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS].rsplit(' ', 1)[0]} ..."
    yield f"{counted(report['counted_actions'], 'action')}, releases not counted: {shown}"
    yield f"there {legend(shown)}"


def _cost(report: Mapping[str, Any]) -> str:
    """How the cost stands to the lower bound."""
    gap = report["gap"]
    kind = "schedule" if report["row_block"] else "schedule for whole mini-batches"
    least = f"the least that any {kind} needs in this budget"
    return least if round(gap, 3) == 0 else f"at most {gap:.1%} above {least}"


def _gain(report: Mapping[str, Any]) -> str:
    gain = report["offload_gain"]
    if not report["planned"]:
        return ""
    return "; nothing fits without it" if gain is None else f"; {gain:.1%} cheaper than the best plan without it"
