"""The options of `plan`, and what they ask for: a chain, timings and rates. Nothing here loads an array library."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.facts import NAMES
from checkpoint.commands.options import (
    BUDGET_FORMS,
    add_json_option,
    add_memory_limit_option,
    add_offload_options,
    add_sum_groups_option,
    check_amounts,
    check_offload,
    path_of,
)
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable
from checkpoint.planning.choice import FORMS_TOLD, Choice
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.export import to_checkpoint_schedules
from checkpoint.schedule.files import read_chain
from checkpoint.schedule.nested import to_torch
from checkpoint.schedule.schedule import Schedule
from mlp import parse_sizes
from mlp.precision import FULL, PRECISIONS

EXPORTS: dict[str, Callable[[Schedule], str]] = {
    "checkpoint-schedules": lambda schedule: "\n".join(map(str, to_checkpoint_schedules(schedule))),
    "torch": to_torch,
}
"""The text of a schedule for other programs: a line for each action, or a module of Python."""

OF_SIZES = {"sizes": "784,100,30,10", "batch_size": 100, "dtype": "float32", "backend": "numpy", "momentum": 0.0}
"""The options of a network of --sizes, with what they are where they are not given."""

NOT_OF_CHAINS = ("precision", "memory_limit", "offload", "seconds", "calibrate", "recalibrate")
"""Others that a chain given as numbers does not have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--sizes", help=f"widths of all layers, such as 784,256x64,10 (default: {OF_SIZES['sizes']})")
    parser.add_argument(
        "--chain",
        type=Path,
        metavar="FILE.json",
        help="plan for layers of any kind, given as numbers, in place of --sizes; see checkpoint/schedule/CHAIN.md",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help=f"rows of a mini-batch (default: {OF_SIZES['batch_size']})"
    )
    parser.add_argument("--dtype", help=f"float32 or float64 (default: {OF_SIZES['dtype']})")
    parser.add_argument("--precision", metavar="NAME", help=f"{' or '.join(PRECISIONS)}, as of train (default: {FULL})")
    parser.add_argument(
        "--backend", help=f"whose bytes: {' or '.join(NAMES)} (default: numpy); nothing is loaded for it"
    )
    parser.add_argument(
        "--momentum",
        type=float,
        metavar="M",
        help="of the network: row blocks add onto the velocity, and hold no gradients (default: none)",
    )
    parser.add_argument("--optimizer", metavar="NAME", help="as of train (default: sgd)")
    parser.add_argument("--budget", metavar="BYTES", help=f"array bytes above {BUDGET_FORMS}")
    add_memory_limit_option(parser)
    parser.add_argument(
        "--checkpoint", metavar="HOW", help=f"show this schedule instead of a planned one: {FORMS_TOLD}"
    )
    parser.add_argument("--no-row-blocks", action="store_true", help="whole mini-batches only")
    parser.add_argument(
        "--operations",
        action="store_true",
        help="plan by operations alone: recompute nothing where row blocks, however small and slow, spare it",
    )
    parser.add_argument(
        "--seconds",
        action="store_true",
        help="plan in seconds that a few constants of this machine predict, measured once in about a second and kept",
    )
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
        "--page", type=path_of, metavar="PATH", help="write a page to explore the front to this HTML file (extra: page)"
    )
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
    parser.add_argument(
        "--ranks",
        type=int,
        metavar="P",
        help="show what each of P ranks takes that train together, and how well they are used; needs no MPI",
    )
    add_sum_groups_option(parser)
    add_offload_options(parser)
    add_json_option(parser)


def wants_front(args: argparse.Namespace) -> bool:
    """Whether the front is asked for, in text or drawn."""
    return args.front or args.figure is not None or args.page is not None


def wants_schedule(args: argparse.Namespace) -> bool:
    """Whether one schedule is asked for: planned within a budget, or named."""
    return args.budget is not None or args.checkpoint is not None or args.memory_limit is not None


def check(args: argparse.Namespace) -> None:
    """Raise `CheckpointError` for options that contradict each other, and for paths that cannot be written."""
    planned = args.checkpoint in (None, "optimal") or wants_front(args)
    check_offload(args.offload, args.backend, args.bandwidth, args.speed, planned=planned)
    check_amounts(args.budget, args.memory_limit)
    if args.no_row_blocks and not planned:
        raise CheckpointError(f"--no-row-blocks is for plans, and {args.checkpoint} is none; leave it out")
    one_schedule = wants_schedule(args)
    if args.memory_limit is not None and (args.budget is not None or args.checkpoint not in (None, "optimal")):
        raise CheckpointError("--memory-limit makes the budget itself; leave out --budget and --checkpoint")
    unbounded = args.budget is None and args.memory_limit is None
    if (args.checkpoint == "optimal" and unbounded) or not (wants_front(args) or one_schedule):
        raise CheckpointError("a plan needs a budget, such as --budget 64MiB or --budget 50%; or ask for --front")
    of_one = {"--timeline": args.timeline, "--arena": args.arena}
    of_one |= {"--save-schedule": args.save_schedule, "--export": args.export}
    if args.checkpoint not in (None, "optimal"):
        Choice(args.checkpoint, args.budget, args.offload)
    for option, value in of_one.items():
        if value is not None and not one_schedule:
            raise CheckpointError(f"{option} is of one schedule; add --budget or --checkpoint to say which")
    if args.save_schedule is not None and args.save_schedule.suffix != ".json":
        raise CheckpointError(f"a schedule is saved as FILE.json, which train then knows; got {args.save_schedule}")
    measured = args.calibrate or args.recalibrate
    if args.seconds and (measured or args.offload is not None):
        raise CheckpointError("--seconds plans by a few constants; leave out --calibrate, --recalibrate and --offload")
    if args.operations and (measured or args.seconds):
        raise CheckpointError("--operations counts no time; leave out --seconds, --calibrate and --recalibrate")
    for path in (args.json, args.save_schedule):
        check_writable(path)
    wanted = [path for path in (args.figure, args.timeline, args.arena) if path is not None]
    if wanted:
        from checkpoint.drawing.canvas import check_drawable

        check_drawable(*wanted)
    if args.page is not None:
        from checkpoint.drawing.page import check_page

        check_page(args.page)


def chain_from(args: argparse.Namespace) -> Chain:
    """The chain of the sizes, or that of the file; options that are not given get their values.

    Raises `CheckpointError` and `NetworkError` for what makes none.
    """
    given = {name: getattr(args, name) for name in (*OF_SIZES, "optimizer")}
    for name, value in OF_SIZES.items():
        setattr(args, name, value if given[name] is None else given[name])
    if args.chain is None:
        words = {part.strip() for part in args.sizes.split(",")}
        if words & {"in", "out"}:
            raise CheckpointError("plan has no data: give all widths, such as 5,32x8,3")
        of: dict[str, Any] = {"dtype": args.dtype, "backend": args.backend}
        of |= {"momentum": args.momentum, "optimizer": args.optimizer, "precision": args.precision or FULL}
        return chain_of(parse_sizes(args.sizes), batch_size=args.batch_size, **of)
    given |= {name: getattr(args, name) for name in NOT_OF_CHAINS}
    for name, value in given.items():
        if value not in (None, False):
            option = name.replace("_", "-")
            raise CheckpointError(f"--{option} is for a network of --sizes; with --chain leave it out")
    return read_chain(args.chain)
