"""Memory of a training on a mapped data set: its own, the file's pages, and what was promised.

    python -m bench.mapped --size 2GB --folder /var/tmp

Writes X.npy and y.npy of that size, trains on them in a process whose data segment is limited, and removes them. The
process's own memory (RssAnon) may grow by the promised bytes and `MORE_BYTES`, which hold the blocks of the first pass,
an evaluation's rows and what libraries load.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ChildError, figures_of
from checkpoint.units import format_bytes, parse_bytes

FEATURES = 1000
MORE_BYTES = 32 * 2**20


def write_data(folder: Path, size: int, *, features: int = FEATURES) -> list[Path]:
    """X.npy of about `size` bytes, float32, and y.npy of ten classes that follow from it; written in blocks."""
    rows = max(100, size // (4 * features))
    paths = [folder / "X.npy", folder / "y.npy"]
    random = np.random.default_rng(0)
    X = np.lib.format.open_memmap(paths[0], "w+", "float32", (rows, features))
    y = np.lib.format.open_memmap(paths[1], "w+", "uint8", (rows,))
    for start in range(0, rows, 4096):
        block = random.standard_normal((min(4096, rows - start), features), dtype=np.float32)
        y[start : start + len(block)] = block[:, :10].argmax(axis=1)
        X[start : start + len(block)] = block
    X.flush()
    return paths


def measured(paths: list[Path], *, more: list[str], more_bytes: int | None) -> dict[str, Any]:
    """What a training on these files took. Raises `ChildError`."""
    arguments = ["--data", ",".join(map(str, paths)), "--sizes", "64", "--epochs", "1", "--batch-size", "128", *more]
    arguments += ["--activation", "relu", "--cost", "cross-entropy"]
    found = figures_of(["-m", "bench.mapped.child"], {"arguments": arguments, "more_bytes": more_bytes})
    promised = found["rest_bytes"] + found["predicted_peak_bytes"]
    limit = promised + MORE_BYTES
    return {**found, "promised_bytes": promised, "limit_bytes": limit, "within": found["grown_bytes"] <= limit}


def table(rows: list[dict[str, Any]]) -> str:
    """What each training took."""
    names = ("promised_bytes", "grown_bytes", "mapped_bytes")
    body = [
        [
            row["way"],
            *(format_bytes(row[name]) for name in names),
            f"{row['loading_seconds']:.1f}",
            f"{row['seconds']:.1f}",
            "yes" if row["within"] else "NO",
        ]
        for row in rows
    ]
    headers = ["first pass", "promised", "own memory grown by", "mapped pages", "loading s", "steps s", "within"]
    return tabulate(body, headers, disable_numparse=True, stralign="right", colalign=("left",))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, 1 where a training fails or takes more, 2 where the options are wrong."""
    parser = parser_of("mapped", __doc__)
    parser.add_argument("--size", default="2GB", metavar="BYTES", help="of X.npy (default: 2GB)")
    parser.add_argument("--folder", type=Path, metavar="PATH", help="to write the files in (default: the system's)")
    parser.add_argument("--features", type=positive, default=FEATURES, metavar="N", help=f"(default: {FEATURES})")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None or not sys.platform.startswith("linux"):
        print("bench.mapped: error: wanted Linux, which tells mapped pages apart", file=sys.stderr)
        return 2
    size = parse_bytes(args.size, whole_bytes=shutil.disk_usage(args.folder or tempfile.gettempdir()).free)
    rows = []
    try:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            paths = write_data(Path(folder), size, features=args.features)
            for way, more in (("whole", ["--scale", "standard"]), ("skipped", ["--skip-data-pass"])):
                found = measured(paths, more=more, more_bytes=min(size // 2, 2**29) + MORE_BYTES)
                rows.append({"way": way, "size_bytes": sum(path.stat().st_size for path in paths), **found})
    except ChildError as error:
        print(f"bench.mapped: error: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    size_bytes = format_bytes(rows[0]["size_bytes"])
    print(f"\nof {size_bytes} of data; within: at most the promised bytes and {format_bytes(MORE_BYTES)}")
    return closing(args, "mapped", where, rows) or int(not all(row["within"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
