"""Seconds in steps of several ranks beside those of one process with as many threads, and the time spent waiting.

    python -m bench.ranks --json ranks.json

All train the same network on the same mini-batches, so their weights are the same; that is checked. One process has a
thread for each rank in the row that it is compared with.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

from bench.ranks.launching import report
from checkpoint.units import format_bytes

NETWORK = ("--data", "sample", "--sizes", "784,512x8,10", "--batch-size", "2000", "--momentum", "0.9", "--eta", "0.01")
EPOCHS = 3


def measure(ranks: int, *, rounds: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """The medians of `rounds` trainings, on ranks and in one process in turns."""
    options = [*NETWORK, "--epochs", str(epochs)]
    together, alone = [], []
    for _ in range(rounds):
        together.append(_with_threads(1, ranks, options))
        alone.append(_with_threads(ranks, None, options))
    if {run["weights_sha256"] for run in together} != {run["weights_sha256"] for run in alone}:
        raise SystemExit(f"{ranks} ranks end with other weights than one process")
    seconds, one = (median(run["seconds"] for run in runs) for runs in (together, alone))
    last = together[-1]["ranks"]
    return {
        "ranks": ranks,
        "seconds": seconds,
        "one_process_seconds": one,
        "ratio": seconds / one,
        "waiting_share": median(max(rank["waiting_share"] for rank in run["ranks"]) for run in together),
        "peaks_as_predicted": all(rank["measured_peak_bytes"] == rank["predicted_peak_bytes"] for rank in last),
        "largest_peak_bytes": max(rank["measured_peak_bytes"] for rank in last),
        "sent_bytes": sum(rank["sent_bytes"] for rank in last),
    }


def _with_threads(threads: int, ranks: int | None, options: list[str]) -> dict[str, Any]:
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        return report(ranks, options)
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def main() -> int:
    """Measure and show; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.ranks", description="Ranks beside one process.")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], metavar="P")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures")
    args = parser.parse_args()
    rows = [measure(ranks, rounds=args.rounds, epochs=args.epochs) for ranks in args.ranks]
    headers = ["ranks", "seconds\nin steps", "one process,\nas many threads", "ratio", "waiting,\nmost", "peak", "sent"]
    shown = [
        [
            row["ranks"],
            f"{row['seconds']:.3f}",
            f"{row['one_process_seconds']:.3f}",
            f"{row['ratio']:.2f}",
            f"{row['waiting_share']:.0%}",
            f"{format_bytes(row['largest_peak_bytes'])} {'as' if row['peaks_as_predicted'] else 'not as'} predicted",
            format_bytes(row["sent_bytes"]),
        ]
        for row in rows
    ]
    print(tabulate(shown, headers, disable_numparse=True))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
