"""`compare`: the same network with and without checkpointing, each run in a process of its own."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from backend import select_backend
from checkpoint.commands.data_options import add_reading_options, fitting, options_of, reading_from, sized
from checkpoint.commands.options import (
    add_backend_options,
    add_data_option,
    add_json_option,
    add_offload_options,
    check_amounts,
    check_offload,
    path_of,
)
from checkpoint.commands.pictures import drawn
from checkpoint.commands.training_options import add_network_options, settings_from
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, is_stream, write_report
from checkpoint.planning.choice import FORMS_TOLD, Choice
from checkpoint.runs.cases import CASES, YOURS, Case
from checkpoint.runs.comparison import Compared, Run, compared, run_apart, runs_of, table, within_reach
from checkpoint.runs.one_step import measured_step
from checkpoint.runs.settings import RunSettings, make_network
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.simulation import simulate
from mlp import data
from mlp.data import Dataset
from mlp.training.samples import batches_of_part

FIGURE = Path("compare.png")

CAN_OFFLOAD = ("every", "sqrt", "optimal")
"""Ways that keep checkpoints; with --offload each is compared with the same way offloaded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser)
    add_data_option(parser)
    add_reading_options(parser)
    parser.add_argument("--case", choices=[*CASES, "all"], help="one of the two networks (default: all, which is both)")
    parser.add_argument(
        "--checkpoint",
        action="append",
        metavar="HOW",
        help=f"a way to compare with store all: {FORMS_TOLD}; may be repeated",
    )
    parser.add_argument("--budget", metavar="BYTES", help="compare the fastest plan within this budget, such as 50%%")
    add_offload_options(parser)
    parser.add_argument(
        "--figure", type=path_of, default=FIGURE, metavar="PATH", help=f"the picture (default: {FIGURE})"
    )
    add_json_option(parser)
    add_network_options(parser, RunSettings())


def main(args: argparse.Namespace) -> int:
    """Run every case in every way; write the JSON, then the pictures, then print the tables; 0."""
    from checkpoint.drawing import comparison
    from checkpoint.drawing.canvas import check_drawable

    planned = args.budget is not None or not args.checkpoint or "optimal" in args.checkpoint
    check_offload(args.offload, args.backend, args.bandwidth, args.speed, planned=planned)
    check_amounts(args.budget)
    if args.case is not None and args.sizes is not None:
        raise CheckpointError("--case is one of two networks, and --sizes another; leave one out")
    for way in args.checkpoint or ():
        Choice(way, args.budget if way == "optimal" else None)
    select_backend(args.backend, device=args.device)
    for case in _named(args):  # a wrong option shows before the data is read
        settings = settings_from(_shared(args), case.settings)
    reading = reading_from(args, seed=settings.seed)
    check_writable(args.json)
    check_drawable(args.figure)
    timelines = None if is_stream(args.figure) else args.figure.with_stem(f"{args.figure.stem}-timelines")
    check_drawable(timelines)
    dataset = data.load(args.data, reading=reading)
    if dataset.notice:
        print(dataset.notice, file=sys.stderr)
    cases = list(_cases(fitting(args, dataset), dataset))
    runs, notes = [], []
    for case in cases:
        of_case, left_out = runs_of(case)
        runs += of_case
        notes += left_out
    for run in runs:  # a wrong option shows now, not after minutes
        batches_of_part(make_network(run.settings), dataset, "train")
    source = "sample" if dataset.name == "sample" else args.data
    rows: list[Compared] = []
    for run in tqdm(runs, desc="compare", unit="run", leave=False, disable=None):
        record = run_apart(run, str(source), list(options_of(reading)))
        first = next((row.record for row in rows if row.case is run.case), record)
        rows.append(compared(run, record, first))
    rows = [_with_dots(row, args.device) for row in rows]
    write_report(args.json, "compare", {"data": dataset.name, "runs": [row.as_json() for row in rows], "notes": notes})
    backend = select_backend(args.backend, device=args.device)
    pictures = [lambda: comparison.write_comparison(rows, args.figure)]
    if timelines is not None:
        pictures.append(lambda: _write_timelines(rows, timelines))
    with drawn(*pictures):
        print(
            f"{dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test {dataset.kind}s; "
            f"{args.backend} on {backend.device_name}"
        )
        for case in cases:
            print("\n" + table(case, [row for row in rows if row.case is case]))
        print("".join(f"\n{note}" for note in notes))
        print("times are of a few short epochs; another process that computes changes them")
    if timelines is None:
        print(f"the picture is {args.figure}; those of the bytes after each action are drawn beside a file only")
    else:
        print(f"the pictures are {args.figure} and, of the bytes after each action, {timelines}")
    return 0


def _named(args: argparse.Namespace) -> list[Case]:
    """The cases that are meant. With --sizes it is that network alone."""
    if args.sizes is not None:
        return [YOURS]
    return list(CASES.values()) if args.case in (None, "all") else [CASES[args.case]]


def _shared(args: argparse.Namespace) -> argparse.Namespace:
    """The options that all ways share."""
    own = ("checkpoint", "budget", "offload", "bandwidth", "speed")
    return argparse.Namespace(**{**vars(args), **dict.fromkeys(own)})


def _cases(args: argparse.Namespace, dataset: Dataset) -> Iterator[Case]:
    """The cases, with the options given put in, and the ends of their networks those of the data."""
    for case in _named(args):
        settings = sized(settings_from(_shared(args), case.settings), args.sizes, dataset)
        ways = list(_ways(args, case, settings.chain))
        if args.offload is not None:
            ways += [replace(way, offload=args.offload) for way in ways if way.checkpoint.startswith(CAN_OFFLOAD)]
            settings = _with_rates(args, settings)
        yield replace(case, settings=settings, ways=tuple(ways))


def _ways(args: argparse.Namespace, case: Case, chain: Chain) -> Iterator[Choice]:
    """Store all; the ways that are named, or else the case's; a plan in the budget that is named, or in the case's."""
    yield Choice()
    if args.checkpoint:
        yield from (Choice(way, args.budget if way == "optimal" else None) for way in args.checkpoint if way != "none")
    else:
        yield from (way for way in case.ways[1:] if way.checkpoint != "optimal")
    if args.budget is not None:
        if "optimal" not in (args.checkpoint or ()):
            yield Choice("optimal", args.budget)
    elif not args.checkpoint:
        yield from (within_reach(way, chain) for way in case.ways if way.checkpoint == "optimal")


def _with_rates(args: argparse.Namespace, settings: RunSettings) -> RunSettings:
    """The settings with the rates that offloading is planned at, so that every process plans alike."""
    planning = replace(
        settings, checkpoint="optimal", budget="1", offload=args.offload, bandwidth=args.bandwidth, speed=args.speed
    )
    rates = planning.offloading
    if rates is None or rates.flops_per_second is None:
        return settings
    bandwidth, speed = f"{max(1, int(rates.bytes_per_second))}B/s", f"{max(1, int(rates.flops_per_second))}FLOP/s"
    return replace(settings, bandwidth=bandwidth, speed=speed)


def _with_dots(row: Compared, device: int | None) -> Compared:
    """The row with bytes measured after each action; plain backpropagation's are measured with its schedule run."""
    if row.record.measured_bytes_after:
        return row
    settings = row.run.settings
    backend = select_backend(settings.backend, device=device)
    usage = measured_step(
        settings.chain, row.run.schedule, dtype=settings.dtype, backend=backend, precision=settings.precision
    )
    return replace(row, record=replace(row.record, measured_bytes_after=usage.marks))


def _write_timelines(rows: list[Compared], path: Path) -> None:
    from checkpoint.drawing.timeline import Timeline, write_timelines

    def timeline(run: Run, row: Compared) -> Timeline:
        simulation = simulate(run.schedule, run.settings.chain)
        return Timeline(f"{run.case.name}: {run.name}", run.schedule, simulation, row.record.measured_bytes_after)

    cases = dict.fromkeys(row.case.name for row in rows)
    write_timelines([[timeline(row.run, row) for row in rows if row.case.name == name] for name in cases], path)
