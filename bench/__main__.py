"""`python -m bench`: the time and memory of a training step, ours and the peers', as tables, a picture and a JSON."""

import argparse
import sys
from dataclasses import asdict, replace
from typing import Any

from tqdm import tqdm

from backend import BackendUnavailable, select_backend
from bench.command import positive
from bench.machine.child import ChildError
from bench.machine.environment import blas_threads, environment, headline
from bench.machine.quiet import look_around
from bench.machine.rates import Rates, measured_rates
from bench.steps.cases import CASES, Case
from bench.steps.peers import absent_peers, peer_facts
from bench.steps.resident import resident_of
from bench.steps.roofline import Roofline, roofline
from bench.steps.runner import Absent
from bench.steps.runners import build
from bench.steps.table import record, table
from bench.steps.timing import Entry, Timed, time_interleaved
from bench.steps.ways import BUDGETS, COMPILED, PEERS, PRODUCTS, Way, ways
from checkpoint import store_all
from checkpoint.commands.options import path_of
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, write_json


def main(argv: list[str] | None = None) -> int:
    """Time the named cases and print a table of each; 0, 2 where the backend or a path cannot be
    used, 3 where something else runs and it must not.
    """
    args = _arguments(argv)
    try:
        select_backend(args.backend)
        if args.figure is not None:
            from checkpoint.drawing.canvas import check_drawable

            check_drawable(args.figure)
        check_writable(args.json)
    except (BackendUnavailable, CheckpointError) as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    where = environment(args.backend)
    where["quiet"] = {}
    if not args.no_peers:
        where["peers"] = peer_facts()
    print(headline(where))
    for library, facts in where.get("peers", {}).items():
        print(f"{library}: {facts}")
    rates = measured_rates(threads=blas_threads()) if args.backend == "numpy" else None
    if rates:
        where["rates"] = asdict(rates)
        print(f"products {rates.flops_per_second / 1e9:.0f} Gflop/s, memory {rates.bytes_per_second / 1e9:.1f} GB/s")
    absent = {} if args.no_peers else _absent(args.backend)
    if args.no_compile and not args.no_peers:
        absent = dict.fromkeys((COMPILED, *BUDGETS), "--no-compile") | absent
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}")
    results: dict[str, list[Timed]] = {}
    records: dict[str, list[dict[str, Any]]] = {}
    for case in (CASES[name] for name in args.case or CASES):
        seen = look_around()
        print(f"\n{case.name}: {seen}", flush=True)
        if args.only_quiet and not seen.quiet:
            print("bench: error: something else runs, and --only-quiet is given", file=sys.stderr)
            return 3
        where["quiet"][case.name] = asdict(seen)
        rows = _timed(case, args, absent)
        limits = None if rates is None else _rooflines(case, rows, rates)
        print(table(case, rows, limits), flush=True)
        results[case.name] = rows
        records[case.name] = [record(row, rows, limits) for row in rows]
    if args.json:
        options = {"turns": args.turns, "order_seed": args.order_seed, "backend": args.backend}
        write_json(args.json, {"environment": where, "options": options, "left_out": absent, "cases": records})
    if args.figure:
        from bench.steps.picture import draw

        draw(results, args.figure)
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated (default: all)")
    parser.add_argument("--backend", default="numpy", help="numpy or cupy (default: numpy)")
    parser.add_argument("--turns", type=positive, default=5, metavar="N", help="repeats, interleaved (default: 5)")
    parser.add_argument(
        "--order-seed", type=int, default=0, metavar="N", help="seed of the order of each turn (default: 0)"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument(
        "--no-compile", action="store_true", help="leave out PyTorch's compiled steps, which take minutes to compile"
    )
    parser.add_argument(
        "--no-resident",
        action="store_true",
        help="leave out the resident sets, each of which takes a process of its own",
    )
    parser.add_argument("--only-quiet", action="store_true", help="end with status 3 where something else runs")
    parser.add_argument("--figure", type=path_of, metavar="PATH", help="draw time against memory, with more plans")
    parser.add_argument("--json", type=path_of, metavar="PATH", help="also write every figure, in bytes and seconds")
    return parser.parse_args(argv)


def _absent(backend_name: str) -> dict[str, str]:
    if backend_name == "numpy":
        return absent_peers()
    return dict.fromkeys((*PEERS, *PRODUCTS.values()), "on a GPU, python -m bench.gpu_acceptance compares with PyTorch")


def _timed(case: Case, args: argparse.Namespace, absent: dict[str, str]) -> list[Timed]:
    """Build, time and measure the ways of a case; a peer that cannot be built is added to `absent`, with the reason."""
    entries: list[Entry] = []
    with tqdm(leave=False, disable=None, bar_format="{desc} [{elapsed}]") as bar:
        for way in ways(case, backend_name=args.backend, front=args.figure is not None):
            if way.library not in ("numpy", "blas") and (args.no_peers or way.name in absent):
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


def _rooflines(case: Case, rows: list[Timed], rates: Rates) -> dict[str, Roofline]:
    """The roofline of each of our ways; plain's serves for every step that stores all."""
    everything = store_all(n_layers=case.n_layers)
    return {
        row.way.name: roofline(row.way.schedule or everything, case.chain, rates)
        for row in rows
        if row.way.kind == "ours"
    }


def _with_resident(row: Timed, case: Case, backend_name: str) -> Timed:
    way: Way = row.way
    try:
        return replace(row, resident=resident_of(way, case, backend_name=backend_name))
    except ChildError as error:
        print(f"the resident set of {way.name} could not be measured: {error}", file=sys.stderr)
        return row


if __name__ == "__main__":
    sys.exit(main())
