"""`python -m bench`: the time and memory of a training step, ours and the peers', as tables, a picture and a JSON."""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from backend import BackendUnavailable, select_backend
from bench.machine.environment import environment, headline
from bench.steps.cases import CASES, Case
from bench.steps.peers import absent_peers
from bench.steps.resident import resident_of
from bench.steps.runner import Absent
from bench.steps.runners import build
from bench.steps.table import record, table
from bench.steps.timing import Entry, Timed, time_interleaved
from bench.steps.ways import PEERS, Way, ways
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, write_json


def main(argv: list[str] | None = None) -> int:
    """Time the named cases and print a table of each; 0, or 2 where the backend or a path cannot be used."""
    args = _arguments(argv)
    try:
        select_backend(args.backend)
        check_writable(args.figure)
        check_writable(args.json)
    except (BackendUnavailable, CheckpointError) as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    where = environment(args.backend)
    print(headline(where))
    absent = {} if args.no_peers else _absent(args.backend)
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}")
    results: dict[str, list[Timed]] = {}
    for case in (CASES[name] for name in args.case or CASES):
        rows = _timed(case, args, absent)
        print(f"\n{table(case, rows)}", flush=True)
        results[case.name] = rows
    if args.figure:
        from bench.steps.picture import draw

        draw(results, args.figure)
    if args.json:
        cases = {name: [record(row, rows) for row in rows] for name, rows in results.items()}
        options = {"turns": args.turns, "order_seed": args.order_seed, "backend": args.backend}
        write_json(args.json, {"environment": where, "options": options, "left_out": absent, "cases": cases})
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated (default: all)")
    parser.add_argument("--backend", default="numpy", help="numpy or cupy (default: numpy)")
    parser.add_argument("--turns", type=_positive, default=5, metavar="N", help="repeats, interleaved (default: 5)")
    parser.add_argument(
        "--order-seed", type=int, default=0, metavar="N", help="seed of the order of each turn (default: 0)"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument(
        "--no-resident",
        action="store_true",
        help="leave out the resident sets, each of which takes a process of its own",
    )
    parser.add_argument("--figure", type=Path, metavar="PATH", help="draw time against memory, with more plans")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure, in bytes and seconds")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted 1 or more; got {text}")
    return number


def _absent(backend_name: str) -> dict[str, str]:
    if backend_name == "numpy":
        return absent_peers()
    return dict.fromkeys(PEERS, "on a GPU, python -m bench.gpu_acceptance compares with PyTorch")


def _timed(case: Case, args: argparse.Namespace, absent: dict[str, str]) -> list[Timed]:
    """Build, time and measure the ways of a case; a peer that cannot be built is added to `absent`, with the reason."""
    entries: list[Entry] = []
    with tqdm(leave=False, disable=None, bar_format="{desc} [{elapsed}]") as bar:
        for way in ways(case, backend_name=args.backend, front=args.figure is not None):
            if way.kind == "peer" and (args.no_peers or way.name in absent):
                continue
            bar.set_description(f"{case.name}: building {way.name}")
            try:
                entries.append((way, build(way, case, backend_name=args.backend)))
            except Absent as reason:
                absent[way.name] = str(reason)
                bar.write(f"{way.name} is left out: {reason}")
        rows = time_interleaved(case, entries, turns=args.turns, order_seed=args.order_seed, report=bar.set_description)
        del entries  # the processes below need the memory
        if args.no_resident:
            return rows
        measured = []
        for row in rows:
            bar.set_description(f"{case.name}: resident set of {row.way.name}")
            measured.append(_with_resident(row, case, args.backend))
    return measured


def _with_resident(row: Timed, case: Case, backend_name: str) -> Timed:
    way: Way = row.way
    try:
        return replace(row, resident=resident_of(way, case, backend_name=backend_name))
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"the resident set of {way.name} could not be measured: {last}", file=sys.stderr)
        return row


if __name__ == "__main__":
    sys.exit(main())
