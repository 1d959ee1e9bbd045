"""`python -m bench.gpu_acceptance`: everything that only a real GPU can show, in one run of less than 8 minutes.

Each group of checks runs in a process of its own, within a time of its own, so an error that breaks CUDA for a process
takes one group with it and no row that was found before. The JSON is whole after every row. A GPU that is small or busy
leaves groups out and fails none.

Status 0 if every check holds, 1 where one fails or a group crashes, 2 where nothing could be checked. On a stand-in in
host memory networks are small and timings left out: there it tests itself.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from bench.gpu_acceptance.groups import ALL_SECONDS, ENVIRONMENT, GROUPS
from bench.gpu_acceptance.processes import Refused, rows_of_process
from bench.gpu_acceptance.report import Report, memory_rows
from bench.gpu_acceptance.rows import CRASHED, FAILED, Row, left_out
from checkpoint.output import OutputError, check_writable

LEAST_SECONDS = 15
"""A group that would have less than this is not begun."""

STAND_IN_TIMES = 5
"""How many times as long everything may take where the host's memory stands in for a GPU, on a machine that is busy."""

ROWS_SHARE = 0.75
"""The part of a group's seconds in which it may begin another row; in the rest it ends by itself."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run every group and print the table; the status is told above."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_acceptance", description="Check this project on a GPU.")
    parser.add_argument("--device", type=int, metavar="N", help="the GPU's number (default: 0)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure, row by row")
    parser.add_argument("--quick", action="store_true", help="small networks, in seconds; their timings mean little")
    parser.add_argument(
        "--only", action="append", choices=list(GROUPS)[1:], metavar="GROUP", help="these groups alone; may be repeated"
    )
    args = parser.parse_args(argv)
    try:
        check_writable(args.json)
    except OutputError as error:
        return _refused(error)
    report = Report(args.json)
    try:
        for row in _environment(args):
            report.environment = row.figures
            print(f"{row.detail}\n", flush=True)
            if row.passed is False or not row.figures:
                report.add(row)
    except Refused as error:
        return _refused(error)
    for name in tqdm(args.only or list(GROUPS)[1:], unit="group", leave=False, disable=None):
        times = STAND_IN_TIMES if report.environment.get("stand_in") else 1
        for row in _rows(name, args, left=times * ALL_SECONDS - report.seconds, times=times):
            report.add(row)
            if row.verdict in (FAILED, CRASHED):
                print(f"{row.verdict}: {row.group}, {row.name}: {row.detail}", file=sys.stderr, flush=True)
    for row in memory_rows(report.rows):
        report.add(row)
    report.write(complete=True)
    print(f"{report.table()}\n\n{report.summary()}")
    return {True: 0, False: 1, None: 2}[report.passed]


def _environment(args: argparse.Namespace) -> Iterator[Row]:
    return rows_of_process(ENVIRONMENT, command(ENVIRONMENT, args, 30), seconds=GROUPS[ENVIRONMENT].seconds)


def _rows(name: str, args: argparse.Namespace, *, left: float, times: int) -> Iterator[Row]:
    """The rows of a group's process, which has so many `times` its seconds, and no more than those that are `left`."""
    if left < LEAST_SECONDS:
        yield left_out(name, "all of it", f"the {ALL_SECONDS} s of a run are over")
        return
    seconds = min(times * GROUPS[name].seconds, left)
    try:
        yield from rows_of_process(name, command(name, args, ROWS_SHARE * seconds), seconds=seconds)
    except Refused as error:  # it was there a moment ago
        yield Row(name, "its process", CRASHED, f"the GPU is gone: {error}")


def command(name: str, args: argparse.Namespace, seconds: float) -> list[str]:
    """The command that runs a group; it begins no row after so many seconds."""
    device = [] if args.device is None else ["--device", str(args.device)]
    quick = ["--quick"] if args.quick else []
    module = [sys.executable, "-m", "bench.gpu_acceptance.child", name]
    return [*module, *device, *quick, "--seconds", str(seconds)]


def _refused(error: Exception) -> int:
    print(f"bench.gpu_acceptance: error: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
