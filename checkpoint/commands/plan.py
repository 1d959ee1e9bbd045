"""`plan`: the fastest schedule under a budget of bytes, before any step; its front, its timeline and its arena."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from backend.facts import FACTS
from checkpoint.commands.options import add_json_option, add_offload_options, check_offload
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, write_json
from checkpoint.planning.budget import resolve_budget
from checkpoint.planning.choice import FORMS, Choice
from checkpoint.planning.costs import Cost
from checkpoint.planning.offloading import Offloading, cost_with_copies
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan, keeps_bits
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.placement import place
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation, simulate
from checkpoint.strategies import store_all
from checkpoint.units import format_bytes
from mlp import format_sizes, parse_sizes

if TYPE_CHECKING:
    from checkpoint.measuring.calibration import Calibration

SHOWN_ACTIONS = 400
"""Characters of a schedule that are printed; --json has all of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--sizes", default="784,100,30,10", help="layer widths, such as 784,256x64,10 (default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--dtype", default="float32", help="float32 or float64 (default: %(default)s)")
    parser.add_argument(
        "--backend", default="numpy", help=f"whose bytes: {' or '.join(FACTS)}; nothing is loaded for it"
    )
    parser.add_argument(
        "--budget", metavar="BYTES", help="array bytes above rest: 64MiB, 1.5GB, 50%% of store-all's arena, or auto"
    )
    parser.add_argument("--checkpoint", metavar="HOW", help=f"show another schedule than the planned one: {FORMS}")
    parser.add_argument("--no-row-blocks", action="store_true", help="whole mini-batches only")
    parser.add_argument(
        "--calibrate", action="store_true", help="plan in this machine's seconds, measured once (a few s)"
    )
    parser.add_argument("--front", action="store_true", help="all non-dominated pairs of peak and recompute")
    parser.add_argument("--timeline", type=Path, metavar="PATH", help="draw bytes after each action, to this PNG")
    parser.add_argument("--arena", type=Path, metavar="PATH", help="draw where each array lies in memory, to this PNG")
    parser.add_argument("--figure", type=Path, metavar="PATH", help="draw the front, to this PNG")
    add_offload_options(parser)
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Plan, and print the plan; 0."""
    chain = chain_of(parse_sizes(args.sizes), batch_size=args.batch_size, dtype=args.dtype, backend=args.backend)
    for path in (args.json, args.timeline, args.arena, args.figure):
        check_writable(path)
    check_offload(args.offload, args.backend, args.bandwidth, args.speed)
    offloading = _offloading(args)
    calibration = _calibration(args)
    record: dict[str, Any] = {"sizes": list(chain.widths), "batch_size": chain.batch_size, "dtype": args.dtype}
    if args.front or args.figure:
        record["front"] = _show_front(chain, args, calibration, offloading)
        if args.budget is None and args.checkpoint is None:
            _write(args, record)
            return 0
    schedule, budget_bytes, found = _schedule(chain, args, calibration, offloading)
    simulation, placement = simulate(schedule, chain), place(schedule, chain)
    arena_bytes, weighed = placement.arena_bytes, offloading is not None
    print(_description(chain, schedule, simulation, arena_bytes, budget_bytes, found, weighed=weighed))
    record |= {
        "budget_bytes": budget_bytes,
        "schedule": schedule.as_record(),
        "peak_bytes": simulation.peak_bytes,
        "arena_bytes": arena_bytes,
        "recomputed_layers": simulation.recomputed_layers,
        "recompute_fraction": simulation.recompute_fraction,
        "bytes_after": list(simulation.bytes_after),
        "optimal_among": found.optimal_among if found else None,
        "row_block": found.row_block if found else None,
        "keeps_bits": keeps_bits(schedule, chain),
        "offloaded_bytes": simulation.offloaded_bytes,
        "host_peak_bytes": simulation.host_peak_bytes,
        "offload_gain": found.gain if found else None,
        "offloading": asdict(offloading) if offloading else None,
    }
    if calibration is not None:
        record |= _show_seconds(chain, schedule, calibration, args.offload, offloading)
    title = f"{format_sizes(chain.widths)}, batch {chain.batch_size}: {schedule.name}"
    if args.timeline:
        from checkpoint.drawing.timeline import write_timeline

        write_timeline(args.timeline, schedule, simulation, budget_bytes=budget_bytes, title=title)
        print(f"the timeline is {args.timeline}")
    if args.arena:
        from checkpoint.drawing.arena import write_arena

        write_arena(args.arena, schedule, placement, budget_bytes=budget_bytes, title=title)
        print(f"the arena is {args.arena}")
    if calibration is not None:
        calibration.save()
    _write(args, record)
    return 0


def _schedule(
    chain: Chain, args: argparse.Namespace, cost: Cost | None, offloading: Offloading | None
) -> tuple[Schedule, int | None, Plan | None]:
    """The schedule that is asked for, its budget, and the plan if it was planned."""
    if args.checkpoint is not None and args.checkpoint != "optimal":
        return Choice(args.checkpoint, offload=args.offload).schedule(chain), None, None
    if args.budget is None:
        raise CheckpointError("a plan needs a budget, such as --budget 64MiB or --budget 50%; or ask for --front")
    budget_bytes = resolve_budget(args.budget, chain)
    found = plan_chain(
        chain, budget_bytes=budget_bytes, cost=cost, row_blocks=not args.no_row_blocks, offloading=offloading
    )
    return found.schedule, budget_bytes, found


def _description(
    chain: Chain,
    schedule: Schedule,
    simulation: Simulation,
    arena_bytes: int,
    budget_bytes: int | None,
    found: Plan | None,
    *,
    weighed: bool,
) -> str:
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    lines = [
        f"{format_sizes(chain.widths)}, batch {chain.batch_size}: {schedule.name or 'planned'}",
        f"peak above rest: {simulation.peak_bytes:,} bytes ({format_bytes(simulation.peak_bytes)}), "
        f"{simulation.peak_bytes / whole:.1%} of store-all's {format_bytes(whole)}",
        f"arena: {arena_bytes:,} bytes in one block ({format_bytes(arena_bytes)}"
        + (f" of the budget's {format_bytes(budget_bytes)}" if budget_bytes is not None else "")
        + f"), {arena_bytes / simulation.peak_bytes - 1:.1%} above the peak",
        f"recomputed: {simulation.recomputed_layers} layers a step, {simulation.recompute_fraction:.1%} of a forward "
        f"pass; backward steps in {schedule.pieces} pieces",
    ]
    lines.append(
        "gradients: those of plain backpropagation, "
        + ("to the last bit" if keeps_bits(schedule, chain) else "up to rounding")
    )
    if found is not None:
        blocks = "whole mini-batches" if found.row_block is None else f"row blocks of {found.row_block} rows and more"
        lines.append(
            f"best of: {found.optimal_among}; {blocks}; {found.gap:+.1%} against the bound for whole mini-batches"
        )
    if simulation.offloaded_bytes:
        lines.append(
            f"offloaded: {format_bytes(simulation.offloaded_bytes)} a step and back, "
            f"{format_bytes(simulation.host_peak_bytes)} there at once{_gain(found)}"
        )
    elif weighed:
        lines.append("offloaded: nothing, as the best schedule that copies checkpoints is no cheaper at these rates")
    text = str(schedule)
    lines.append(text if len(text) <= SHOWN_ACTIONS else f"{text[:SHOWN_ACTIONS]} ... ({len(schedule)} actions)")
    return "\n".join(lines)


def _calibration(args: argparse.Namespace) -> "Calibration | None":
    if not args.calibrate:
        return None
    from checkpoint.measuring.calibration import calibrate

    sizes = parse_sizes(args.sizes)
    return calibrate(sizes, batch_size=args.batch_size, dtype=args.dtype, backend=args.backend)


def _offloading(args: argparse.Namespace) -> Offloading | None:
    """The rates to weigh offloading at, where something is planned with it."""
    planned = args.checkpoint in (None, "optimal") or args.front or args.figure
    if args.offload is None or not planned:
        return None
    from checkpoint.measuring.bandwidth import rates_for

    found = rates_for(args.backend, args.offload, dtype=args.dtype, bandwidth=args.bandwidth, speed=args.speed)
    per_flop = f", {found.flops_per_second:.3g} operations a second" if found.flops_per_second else ""
    print(f"offloading to {args.offload} at {format_bytes(found.bytes_per_second)}/s{per_flop}")
    return found


def _gain(found: Plan | None) -> str:
    if found is None:
        return ""
    if found.gain is None:
        return "; nothing fits without it"
    return f"; {found.gain:.1%} cheaper than the best plan without it"


def _show_seconds(
    chain: Chain,
    schedule: Schedule,
    calibration: "Calibration",
    place: str | None,
    offloading: Offloading | None,
) -> dict[str, float]:
    """Print the predicted and the real time of a step, and give both."""
    from checkpoint.execution.timing import time_step
    from checkpoint.planning.costs import cost_of

    if offloading is None:
        predicted = cost_of(schedule, chain, calibration)
    else:
        predicted = cost_with_copies(schedule, chain, calibration, offloading)
    plain = cost_of(store_all(n_layers=chain.n_layers), chain, calibration)
    real = time_step(chain, schedule, dtype=calibration.dtype, backend=calibration.backend, offload=place)
    print(
        f"a step: {predicted * 1e3:.2f} ms predicted ({predicted / plain:.2f} of store-all's), {real * 1e3:.2f} ms "
        f"measured; {calibration.device}"
    )
    return {"predicted_seconds": predicted, "measured_seconds": real}


def _show_front(
    chain: Chain, args: argparse.Namespace, cost: Cost | None, offloading: Offloading | None
) -> list[dict[str, Any]]:
    from checkpoint.planning.front import front_of

    front = front_of(chain, cost=cost, offloading=offloading)
    print(f"{format_sizes(chain.widths)}, batch {chain.batch_size}: peak above rest against recomputed work\n")
    print(
        tabulate(
            _rows(front.points), ["peak", "bytes", "arena", "recomputed", "rows at once", "what"], stralign="right"
        )
    )
    for line in front.advice:
        print(line)
    if args.figure:
        from checkpoint.drawing.front import draw_front

        draw_front(front, args.figure, title=f"{format_sizes(chain.widths)}, batch {chain.batch_size}")
        print(f"the picture is {args.figure}")
    return [asdict(point) for point in front.points]


def _rows(points: Sequence[Any]) -> list[list[str]]:
    return [
        [
            format_bytes(point.peak_bytes),
            f"{point.peak_bytes:,}",
            f"{point.arena_bytes:,}",
            f"{point.recompute_fraction:.3f}",
            "all" if point.row_block is None else str(point.row_block),
            point.name,
        ]
        for point in points
    ]


def _write(args: argparse.Namespace, record: dict[str, Any]) -> None:
    if args.json:
        write_json(args.json, record)
