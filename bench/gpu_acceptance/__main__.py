"""`python -m bench.gpu_acceptance`: everything that only a real GPU can show, in one run of less than 8 minutes.

Results against NumPy's, bytes against the predicted ones, a network that fits only by its plan, activations offloaded
to the host, and time against the matrix products alone and PyTorch. One table, and one JSON with --json. Status 0, or 1
where a check fails; 2 where there is no GPU.

On a stand-in in host memory networks are small and timings left out: there it tests itself.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from tabulate import tabulate

from backend import BackendUnavailable, select_backend
from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.array_bytes import bytes_as_predicted
from bench.gpu_acceptance.limit import fits_under_a_budget
from bench.gpu_acceptance.offload import offload
from bench.gpu_acceptance.offload_timing import LOAD, offload_timing
from bench.gpu_acceptance.parity import parity
from bench.gpu_acceptance.rows import Row, to_the_end
from bench.gpu_acceptance.shapes import FULL, QUICK, give_back
from bench.gpu_acceptance.steps import steps
from bench.gpu_acceptance.torch_on_gpu import torch_on_gpu
from checkpoint.units import format_bytes

MOST_SECONDS = 400
"""No turn of timings begins after this long, which leaves more than a minute for the one under way."""

STAND_IN = "CUPY_ON_HOST_LIB"
"""The environment variable that the stand-in sets."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run every check and print the table; 0, or 1 where a check fails."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_acceptance", description="Check this project on a GPU.")
    parser.add_argument("--device", type=int, metavar="N", help="the GPU's number (default: 0)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure")
    parser.add_argument("--quick", action="store_true", help="small networks, in seconds; their timings mean little")
    args = parser.parse_args(argv)
    begun = time.monotonic()
    try:
        backend = select_backend("cupy", device=args.device)
    except BackendUnavailable as error:
        print(f"bench.gpu_acceptance: error: {error}", file=sys.stderr)
        return 2
    assert isinstance(backend, CupyBackend)
    stand_in = is_stand_in(backend)
    environment = environment_of(backend, stand_in=stand_in)
    print(_heading(environment), flush=True)
    rows = []
    for row in _all(backend, quick=args.quick or stand_in, timed=not stand_in, deadline=begun + MOST_SECONDS):
        rows.append(row)
        if row.passed is False:
            print(f"FAILED: {row.group}, {row.name}: {row.detail}", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begun
    print(table(rows))
    checked = [row for row in rows if row.passed is not None]
    failed = [row for row in checked if not row.passed]
    print(f"\n{len(checked) - len(failed)} of {len(checked)} checks hold, in {seconds:.0f} s")
    if args.json:
        record = {"environment": environment, "seconds": seconds, "passed": not failed}
        record["rows"] = [asdict(row) for row in rows]
        args.json.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if failed else 0


def is_stand_in(backend: CupyBackend) -> bool:
    """Whether the device is host memory, whose times mean nothing."""
    return bool(os.environ.get(STAND_IN)) or "no GPU" in backend.device_name


def environment_of(backend: CupyBackend, *, stand_in: bool) -> dict[str, Any]:
    """Where the figures come from: the GPU, its driver, and the versions of everything."""
    import cupy

    runtime, memory = cupy.cuda.runtime, backend.device_memory()
    return {
        "device": backend.device_name,
        "stand_in": stand_in,
        "compute_capability": str(backend.device.compute_capability),
        "total_bytes": memory.total_bytes,
        "free_bytes": memory.free_bytes,
        "outside_bytes": memory.outside_bytes,
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "python": sys.version.split()[0],
        "numpy": metadata.version("numpy"),
        "cupy": cupy.__version__,
        "torch": None if stand_in else torch_on_gpu(),
    }


def _heading(environment: dict[str, Any]) -> str:
    torch = environment["torch"]
    return (
        f"{environment['device']}, compute capability {environment['compute_capability']}, "
        f"{format_bytes(environment['total_bytes'])}, {format_bytes(environment['free_bytes'])} free\n"
        f"CUDA driver {environment['driver']}, runtime {environment['runtime']}; CuPy {environment['cupy']}, "
        f"NumPy {environment['numpy']}, Python {environment['python']}, "
        f"{f'PyTorch {torch}' if torch else 'no PyTorch on this GPU'}\n"
    )


def _all(backend: CupyBackend, *, quick: bool, timed: bool, deadline: float) -> Iterator[Row]:
    shapes = QUICK if quick else FULL
    groups = {
        "parity": parity(backend, shapes),
        "bytes": bytes_as_predicted(backend, shapes),
        "limit": fits_under_a_budget(backend, shapes),
        "offload": offload(backend, shapes),
        "steps": steps(backend, quick=quick, timed=timed, deadline=deadline),
    }
    if timed:
        groups["time of offload"] = offload_timing(backend, shapes.deep if quick else LOAD, deadline=deadline)
    for name, rows in groups.items():
        yield from to_the_end(name, rows)
        give_back(backend)
    if not timed:
        for name in ("offload", "steps"):
            yield Row(name, "timings", None, "left out: the device is a stand-in, in host memory")


def table(rows: Sequence[Row]) -> str:
    """The table, one line for each row."""
    body = [[row.group, row.name, row.verdict, row.detail] for row in rows]
    return tabulate(body, ["group", "what", "", "found"], disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
