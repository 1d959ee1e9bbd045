"""`plan`: the fastest schedule within a budget of bytes, before any step; its front, its timeline and its arena."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.facts import NAMES
from checkpoint.commands.options import add_json_option, add_offload_options, check_offload, path_of
from checkpoint.commands.pictures import drawn
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, replace_file, write_report
from checkpoint.planning.budget import resolve_budget
from checkpoint.planning.choice import FORMS, Choice
from checkpoint.planning.costs import Cost
from checkpoint.planning.front import Front, front_of
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.planning.report import chain_report, front_report, front_text, schedule_report, schedule_text
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.export import to_checkpoint_schedules
from checkpoint.schedule.nested import to_torch
from checkpoint.schedule.placement import place
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.units import format_bytes
from mlp import format_sizes, parse_sizes

if TYPE_CHECKING:
    from checkpoint.measuring.calibration import Calibration


EXPORTS: dict[str, Callable[[Schedule], str]] = {
    "checkpoint-schedules": lambda schedule: "\n".join(map(str, to_checkpoint_schedules(schedule))),
    "torch": to_torch,
}
"""The text of a schedule for other programs: a line for each action, or a module of Python."""


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
        "--momentum",
        type=float,
        default=0.0,
        metavar="M",
        help="of the network: row blocks add onto the velocity, and hold no gradients (default: none)",
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
        "--recalibrate", action="store_true", help="the same, and measure again what is kept of this machine"
    )
    parser.add_argument(
        "--front", action="store_true", help="the plans that none beats in bytes and cost, beside well-known schedules"
    )
    parser.add_argument("--timeline", type=path_of, metavar="PATH", help="draw bytes after each action, to this PNG")
    parser.add_argument("--arena", type=path_of, metavar="PATH", help="draw where arrays lie in memory, to this PNG")
    parser.add_argument("--figure", type=path_of, metavar="PATH", help="draw the front, to this PNG")
    parser.add_argument(
        "--save-schedule",
        type=path_of,
        metavar="FILE.json",
        help="write the schedule for train --checkpoint FILE.json",
    )
    parser.add_argument(
        "--export",
        choices=list(EXPORTS),
        metavar="FORM",
        help=f"print the schedule for another program instead: {' or '.join(EXPORTS)}",
    )
    add_offload_options(parser)
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Plan; write the JSON, then the pictures, then print; 0."""
    of: dict[str, Any] = {"dtype": args.dtype, "backend": args.backend, "momentum": args.momentum}
    chain = chain_of(parse_sizes(args.sizes), batch_size=args.batch_size, **of)
    check_offload(args.offload, args.backend, args.bandwidth, args.speed)
    with_front = args.front or args.figure is not None
    with_schedule = args.budget is not None or args.checkpoint is not None
    if (args.checkpoint == "optimal" and args.budget is None) or not (with_front or with_schedule):
        raise CheckpointError("a plan needs a budget, such as --budget 64MiB or --budget 50%; or ask for --front")
    one = {"--timeline": args.timeline, "--arena": args.arena}
    one |= {"--save-schedule": args.save_schedule, "--export": args.export}
    for option, value in one.items():
        if value is not None and not with_schedule:
            raise CheckpointError(f"{option} is of one schedule; add --budget or --checkpoint to say which")
    if args.save_schedule is not None and args.save_schedule.suffix != ".json":
        raise CheckpointError(f"a schedule is saved as FILE.json, which train then knows; got {args.save_schedule}")
    for path in (args.json, args.save_schedule):
        check_writable(path)
    wanted = [path for path in (args.figure, args.timeline, args.arena) if path is not None]
    if wanted:
        from checkpoint.drawing.canvas import check_drawable

        check_drawable(*wanted)
    offloading = _offloading(args, with_front=with_front)
    calibration = _calibration(args)
    find = partial(_find, chain, args, calibration, offloading, with_front=with_front, with_schedule=with_schedule)
    found = find()
    if calibration is not None and calibration.found and found.differs:  # timed under another load, say
        off = found.report["measured_seconds"] / found.report["predicted_seconds"]
        calibration.forget()
        found = find()
        found.report["kept_timings_off"] = off
        how = f"{max(off, 1 / off):.3g} times {'slower' if off > 1 else 'faster'}"
        found.lines.append(f"kept timings were made again, as a step was {how} than they predicted")
    report, lines, front = found.report, found.lines, found.front
    if calibration is not None:
        calibration.save()
    exported = None if args.export is None or found.schedule is None else EXPORTS[args.export](found.schedule)
    write_report(args.json, "plan", report)
    if args.save_schedule is not None and found.schedule is not None:
        replace_file(args.save_schedule, found.schedule.to_json().encode())
        lines.append(f"the schedule is in {args.save_schedule}; follow it with train --checkpoint {args.save_schedule}")
    pictures: list[Callable[[], None]] = []
    if front is not None and args.figure is not None:
        from checkpoint.drawing.front import write_front

        network = f"{format_sizes(chain.widths)}, batch {chain.batch_size}"
        pictures.append(partial(write_front, front, args.figure, title=network))
    if found.schedule is not None and args.timeline is not None:
        pictures.append(partial(_write_timeline, args.timeline, chain, found.schedule, found.plan))
    if found.schedule is not None and args.arena is not None:
        pictures.append(partial(_write_arena, args.arena, chain, found.schedule, found.plan))
    with drawn(*pictures):
        print("\n".join(lines) if exported is None else exported)
    for what, path in (("the front", args.figure), ("the timeline", args.timeline), ("the arena", args.arena)):
        if path is not None:
            print(f"{what} is drawn in {path}")
    return 0


@dataclass(slots=True)
class _Found:
    """What is planned, as JSON and as lines of text, and what its pictures show."""

    report: dict[str, Any]
    lines: list[str]
    front: Front | None = None
    schedule: Schedule | None = None
    plan: Plan | None = None

    @property
    def differs(self) -> bool:
        """Whether a step took other seconds than predicted."""
        from checkpoint.measuring.calibration import differs

        return "measured_seconds" in self.report and differs(
            self.report["predicted_seconds"], self.report["measured_seconds"]
        )


def _find(
    chain: Chain,
    args: argparse.Namespace,
    calibration: "Calibration | None",
    offloading: Offloading | None,
    *,
    with_front: bool,
    with_schedule: bool,
) -> _Found:
    found = _Found(chain_report(chain, dtype=args.dtype, backend=args.backend), [])
    if offloading is not None:
        found.lines.append(_rates_line(args.offload, offloading))
    if with_front:
        found.front = front_of(chain, cost=calibration, offloading=offloading)
        found.report |= front_report(found.front, cost=calibration)
        found.lines.append(front_text(found.front, found.report))
    if with_schedule:
        found.schedule, found.plan = _schedule(chain, args, calibration, offloading)
        found.report |= schedule_report(chain, found.schedule, plan=found.plan, cost=calibration, offloading=offloading)
        found.lines.append(schedule_text(found.report))
        if calibration is not None:
            from checkpoint.execution.timing import step_report

            found.report |= step_report(chain, found.schedule, calibration, args.offload, offloading)
            found.lines.append(_seconds_line(found.report))
    return found


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
    if not (args.calibrate or args.recalibrate):
        return None
    from checkpoint.measuring.calibration import calibrate

    sizes = parse_sizes(args.sizes)
    return calibrate(sizes, batch_size=args.batch_size, dtype=args.dtype, backend=args.backend, afresh=args.recalibrate)


def _offloading(args: argparse.Namespace, *, with_front: bool) -> Offloading | None:
    """The rates to weigh offloading at, where something is planned with it."""
    planned = args.checkpoint in (None, "optimal") or with_front
    if args.offload is None or not planned:
        return None
    from checkpoint.measuring.bandwidth import rates_for

    return rates_for(
        args.backend,
        args.offload,
        dtype=args.dtype,
        bandwidth=args.bandwidth,
        speed=args.speed,
        afresh=args.recalibrate,
    )


def _rates_line(place: str, rates: Offloading) -> str:
    speed = f", weighed against {rates.flops_per_second:.3g} operations a second" if rates.flops_per_second else ""
    return f"offloading to {place} at {format_bytes(rates.bytes_per_second)}/s{speed}"


def _seconds_line(report: Mapping[str, Any]) -> str:
    return (
        f"a step: {report['predicted_seconds'] * 1e3:.2f} ms predicted ({report['predicted_ratio']:.2f} of store all's "
        f"predicted time), {report['measured_seconds'] * 1e3:.2f} ms measured; {report['device']}"
    )


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
