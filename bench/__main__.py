"""`python -m bench`: time against memory, ours and the peers', as a table and a picture."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import threadpoolctl
from tabulate import tabulate
from tqdm import tqdm

from bench.cases import CASES, MIB, Case
from bench.peers import absent_peers
from bench.runners import runners
from bench.timing import Timed, time_interleaved


def main() -> int:
    """Time the cases named and print a table of each; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated (default: all)")
    parser.add_argument("--backend", default="numpy", help="numpy or cupy (default: numpy)")
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="repeats, interleaved (default: 5)")
    parser.add_argument("--no-peers", action="store_true", help="leave PyTorch and JAX out")
    parser.add_argument("--figure", type=Path, metavar="PATH", help="draw time against memory")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure")
    args = parser.parse_args()
    blas = [f"{info['internal_api']} on {info['num_threads']} threads" for info in threadpoolctl.threadpool_info()]
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, {', '.join(blas)}")
    for name in absent_peers():
        print(f"{name} is not installed and is left out")
    results: dict[str, list[Timed]] = {}
    for case in (CASES[name] for name in args.case or CASES):
        found = list(runners(case, backend_name=args.backend, peers=not args.no_peers))
        with tqdm(desc=case.name, leave=False, disable=None) as bar:
            results[case.name] = time_interleaved(case, found, turns=args.turns, report=bar.set_description)
        print(f"\n{_table(case, results[case.name])}", flush=True)
        del found
    if args.figure:
        from bench.picture import draw

        draw(results, args.figure)
    if args.json:
        args.json.write_text(
            json.dumps({name: [_record(row) for row in rows] for name, rows in results.items()}, indent=2)
        )
    return 0


def _table(case: Case, rows: list[Timed]) -> str:
    plain = next(row for row in rows if row.runner.name == "plain")
    body = [
        [
            row.runner.name,
            f"{row.seconds * 1e3:.2f}",
            f"{row.ratio:.2f}",
            f"{row.seconds / plain.seconds:.2f}",
            "" if row.peak_bytes is None else f"{row.peak_bytes / MIB:.1f}",
            "" if row.peak_bytes is None or not plain.peak_bytes else f"{row.peak_bytes / plain.peak_bytes:.3f}",
            "" if row.runner.recompute_fraction is None else f"{row.runner.recompute_fraction:.2f}",
        ]
        for row in rows
    ]
    headers = ["step", "ms", "of the products'", "of plain's", "MiB above rest", "of plain's", "recomputed"]
    return f"{case.name}: {case.why}, batch {case.batch_size}\n" + tabulate(
        body, headers, disable_numparse=True, stralign="right", colalign=("left",)
    )


def _record(row: Timed) -> dict[str, object]:
    return {
        "name": row.runner.name,
        "kind": row.runner.kind,
        "seconds": row.seconds,
        "ratio_to_control": row.ratio,
        "peak_bytes": row.peak_bytes,
        "recompute_fraction": row.runner.recompute_fraction,
    }


if __name__ == "__main__":
    sys.exit(main())
