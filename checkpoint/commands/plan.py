"""`plan`: the fastest schedule within a budget of bytes, before any step; its front, its timeline and its arena."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from backend.facts import NAMES
from checkpoint.commands.options import add_json_option, add_offload_options, check_offload
from checkpoint.commands.pictures import drawn
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, write_report
from checkpoint.planning.budget import resolve_budget
from checkpoint.planning.choice import FORMS, Choice
from checkpoint.planning.costs import Cost, cost_of
from checkpoint.planning.front import Front, front_of
from checkpoint.planning.offloading import Offloading, cost_with_copies
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.planning.report import chain_report, front_report, schedule_report, schedule_text
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.placement import place
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies import store_all
from checkpoint.units import format_bytes
from mlp import format_sizes, parse_sizes

if TYPE_CHECKING:
    from checkpoint.measuring.calibration import Calibration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--sizes", default="784,100,30,10", help="layer widths, such as 784,256x64,10 (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=100, metavar="N", help="rows of a mini-batch (default: %(default)s)"
    )
    parser.add_argument("--dtype", default="float32", help="float32 or float64 (default: %(default)s)")
    parser.add_argument(
        "--backend", default="numpy", help=f"whose bytes: {' or '.join(NAMES)}; nothing is loaded for it"
    )
    parser.add_argument(
        "--budget", metavar="BYTES", help="array bytes above rest: 64MiB, 1.5GB, 50%% of store all's arena, or auto"
    )
    parser.add_argument("--checkpoint", metavar="HOW", help=f"show this schedule instead of a planned one: {FORMS}")
    parser.add_argument("--no-row-blocks", action="store_true", help="whole mini-batches only")
    parser.add_argument(
        "--calibrate", action="store_true", help="plan in this machine's seconds, measured once (a few seconds)"
    )
    parser.add_argument(
        "--front", action="store_true", help="the plans that none beats in bytes and cost, beside well-known schedules"
    )
    parser.add_argument("--timeline", type=Path, metavar="PATH", help="draw bytes after each action, to this PNG")
    parser.add_argument("--arena", type=Path, metavar="PATH", help="draw where each array lies in memory, to this PNG")
    parser.add_argument("--figure", type=Path, metavar="PATH", help="draw the front, to this PNG")
    add_offload_options(parser)
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Plan; write the JSON, then the pictures, then print; 0."""
    chain = chain_of(parse_sizes(args.sizes), batch_size=args.batch_size, dtype=args.dtype, backend=args.backend)
    check_offload(args.offload, args.backend, args.bandwidth, args.speed)
    with_front = args.front or args.figure is not None
    with_schedule = args.budget is not None or args.checkpoint is not None
    if (args.checkpoint == "optimal" and args.budget is None) or not (with_front or with_schedule):
        raise CheckpointError("a plan needs a budget, such as --budget 64MiB or --budget 50%; or ask for --front")
    for option, path in (("--timeline", args.timeline), ("--arena", args.arena)):
        if path is not None and not with_schedule:
            raise CheckpointError(f"{option} draws one schedule; add --budget or --checkpoint to say which")
    check_writable(args.json)
    wanted = [path for path in (args.figure, args.timeline, args.arena) if path is not None]
    if wanted:
        from checkpoint.drawing.canvas import check_drawable

        check_drawable(*wanted)
    offloading = _offloading(args, with_front=with_front)
    calibration = _calibration(args)
    report, lines = chain_report(chain, dtype=args.dtype, backend=args.backend), []
    if offloading is not None:
        lines.append(_rates_line(args.offload, offloading))
    front = None
    if with_front:
        front = front_of(chain, cost=calibration, offloading=offloading)
        report |= front_report(front, cost=calibration)
        lines.append(_front_text(front, report))
    if with_schedule:
        schedule, plan = _schedule(chain, args, calibration, offloading)
        report |= schedule_report(chain, schedule, plan=plan, cost=calibration, offloading=offloading)
        lines.append(schedule_text(report))
        if calibration is not None:
            report |= _seconds_report(chain, schedule, calibration, args.offload, offloading)
            lines.append(_seconds_line(report))
    if calibration is not None:
        calibration.save()
    write_report(args.json, "plan", report)
    pictures: list[Callable[[], None]] = []
    if front is not None and args.figure is not None:
        from checkpoint.drawing.front import write_front

        network = f"{format_sizes(chain.widths)}, batch {chain.batch_size}"
        pictures.append(partial(write_front, front, args.figure, title=network))
    if with_schedule and args.timeline is not None:
        pictures.append(partial(_write_timeline, args.timeline, chain, schedule, plan))
    if with_schedule and args.arena is not None:
        pictures.append(partial(_write_arena, args.arena, chain, schedule, plan))
    with drawn(*pictures):
        print("\n".join(lines))
    for what, path in (("the front", args.figure), ("the timeline", args.timeline), ("the arena", args.arena)):
        if path is not None:
            print(f"{what} is drawn in {path}")
    return 0


def _schedule(
    chain: Chain, args: argparse.Namespace, cost: Cost | None, offloading: Offloading | None
) -> tuple[Schedule, Plan | None]:
    """The schedule that is asked for, and the plan if it was planned."""
    if args.checkpoint not in (None, "optimal"):
        return Choice(args.checkpoint, args.budget, args.offload).schedule(chain), None
    budget_bytes = resolve_budget(args.budget, chain)
    found = plan_chain(
        chain, budget_bytes=budget_bytes, cost=cost, row_blocks=not args.no_row_blocks, offloading=offloading
    )
    return found.schedule, found


def _calibration(args: argparse.Namespace) -> "Calibration | None":
    if not args.calibrate:
        return None
    from checkpoint.measuring.calibration import calibrate

    sizes = parse_sizes(args.sizes)
    return calibrate(sizes, batch_size=args.batch_size, dtype=args.dtype, backend=args.backend)


def _offloading(args: argparse.Namespace, *, with_front: bool) -> Offloading | None:
    """The rates to weigh offloading at, where something is planned with it."""
    planned = args.checkpoint in (None, "optimal") or with_front
    if args.offload is None or not planned:
        return None
    from checkpoint.measuring.bandwidth import rates_for

    return rates_for(args.backend, args.offload, dtype=args.dtype, bandwidth=args.bandwidth, speed=args.speed)


def _rates_line(place: str, rates: Offloading) -> str:
    speed = f", weighed against {rates.flops_per_second:.3g} operations a second" if rates.flops_per_second else ""
    return f"offloading to {place} at {format_bytes(rates.bytes_per_second)}/s{speed}"


def _seconds_report(
    chain: Chain,
    schedule: Schedule,
    calibration: "Calibration",
    place: str | None,
    offloading: Offloading | None,
) -> dict[str, Any]:
    """The predicted and the real time of a step."""
    from checkpoint.execution.timing import time_step

    if offloading is None:
        predicted = cost_of(schedule, chain, calibration)
    else:
        predicted = cost_with_copies(schedule, chain, calibration, offloading)
    plain = cost_of(store_all(n_layers=chain.n_layers), chain, calibration)
    measured = time_step(chain, schedule, dtype=calibration.dtype, backend=calibration.backend, offload=place)
    return {
        "predicted_seconds": predicted,
        "predicted_ratio": predicted / plain,
        "measured_seconds": measured,
        "device": calibration.device,
    }


def _seconds_line(report: Mapping[str, Any]) -> str:
    return (
        f"a step: {report['predicted_seconds'] * 1e3:.2f} ms predicted ({report['predicted_ratio']:.2f} of store all's "
        f"predicted time), {report['measured_seconds'] * 1e3:.2f} ms measured; {report['device']}"
    )


def _front_text(front: Front, report: Mapping[str, Any]) -> str:
    chain = front.chain
    title = (
        f"{format_sizes(chain.widths)}, batch {chain.batch_size}: plans that none beats, beside well-known schedules"
    )
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
    table = tabulate(list(_rows(report["front"])), headers, disable_numparse=True, colalign=aligned)
    part = "All plans of the front" if front.complete else "Some plans of the front, for budgets evenly spaced"
    notes = f"{part}. Peaks are above rest; costs count {report['front_cost_unit']}, store all's is 1."
    return "\n".join([title, "", table, "", notes, *front.advice])


def _rows(points: list[dict[str, Any]]) -> Iterator[list[str]]:
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


def _write_timeline(path: Path, chain: Chain, schedule: Schedule, plan: Plan | None) -> None:
    from checkpoint.drawing.timeline import Timeline, write_timeline

    title, budget_bytes = _title(chain, schedule, plan), plan.budget_bytes if plan else None
    write_timeline(Timeline(title, schedule, simulate(schedule, chain), budget_bytes=budget_bytes), path)


def _write_arena(path: Path, chain: Chain, schedule: Schedule, plan: Plan | None) -> None:
    from checkpoint.drawing.arena import write_arena

    title, budget_bytes = _title(chain, schedule, plan), plan.budget_bytes if plan else None
    write_arena(path, schedule, place(schedule, chain), budget_bytes=budget_bytes, title=title)


def _title(chain: Chain, schedule: Schedule, plan: Plan | None) -> str:
    name = schedule.name if plan is None else f"planned in {format_bytes(plan.budget_bytes)}"
    return f"{format_sizes(chain.widths)}, batch {chain.batch_size}: {name}"
