"""What a step on a GPU has Python and CUDA do, counted on the stand-in; no times.

    ../shared/cupy-on-host/run .venv/bin/python -m bench.launches --tree ../before

For each network: kernels and products, Python's calls, how often the host waits for the device, what it copies, and
what is allocated, in one step when all plans are made. `--tree` counts in another tree of this project as well. A
count depends neither on the device nor on the number of rows, so the deep network has few.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.command import closing, opening, parser_of
from bench.launches import child
from bench.machine.child import ROOT, ChildError
from bench.steps.cases import CLASSIC, DEEP

STAND_IN = "CUPY_ON_HOST_LIB"
COLUMNS = (
    *("launches", "kernels", "products", "python_calls", "python_calls_per_launch", "waits"),
    *("copies_to_host", "copies_to_device", "pool_allocations", "device_allocations"),
)
FEW_ROWS = 8


@dataclass(frozen=True, slots=True)
class Counted:
    """A network whose step is counted: `network` are its arguments."""

    name: str
    sizes: tuple[int, ...]
    rows: int
    network: dict[str, Any] = field(default_factory=dict)


COUNTED = {
    counted.name: counted
    for counted in (
        Counted("classic", CLASSIC.sizes, CLASSIC.batch_size),
        Counted("classic, momentum", CLASSIC.sizes, CLASSIC.batch_size, {"momentum": 0.9}),
        Counted("classic, adam", CLASSIC.sizes, CLASSIC.batch_size, {"optimizer": "adam"}),
        Counted("deep", DEEP.sizes, FEW_ROWS),
        Counted("deep, every 8th", DEEP.sizes, FEW_ROWS, {"checkpoint_every_nth_layer": DEEP.every}),
    )
}


def counts_of(counted: Counted, tree: Path) -> dict[str, Any]:
    """The counts of one step, in the tree of this project at `tree`. Raises `ChildError`."""
    facts = {"sizes": counted.sizes, "rows": counted.rows, "network": counted.network}
    path = os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-P", child.__file__],
        input=json.dumps(facts),
        capture_output=True,
        text=True,
        cwd=tree,
        env={**os.environ, "EMU_TRACE": "1", "PYTHONPATH": path},
    )
    if done.returncode:
        raise ChildError((done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    traced = _traced(done.stderr)
    launches = traced["launch"] + traced["gemm"]
    to_host, to_device = traced["memcpy kind 2"], traced["memcpy kind 1"]
    return {
        "launches": launches,
        "kernels": traced["launch"],
        "products": traced["gemm"],
        "python_calls": found["python_calls"],
        "python_calls_per_launch": round(found["python_calls"] / launches, 1),
        "waits": found["waits"] + to_host,
        "copies_to_host": to_host,
        "copies_to_device": to_device,
        "pool_allocations": found["pool_allocations"],
        "device_allocations": traced["malloc"],
    }


def _traced(said: str) -> Counter[str]:
    """How often the stand-in says what, within the step that is counted."""
    found: Counter[str] = Counter()
    within = said.split(child.MARK)[1].splitlines()
    for line in within:
        if line.startswith("[emu] "):
            words = line.removeprefix("[emu] ").replace("memcpyAsync", "memcpy").split()
            found[" ".join(words[: 3 if words[0] == "memcpy" else 1])] += 1
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each network and tree."""
    headers = ["step", "tree", *(name.replace("_", " ") for name in COLUMNS)]
    return tabulate([[row["step"], row["tree"], *(row[name] for name in COLUMNS)] for row in rows], headers)


def main(argv: list[str] | None = None) -> int:
    """Count and print; 0, 1 where a step fails, 2 where there is no stand-in."""
    parser = parser_of("launches", __doc__)
    parser.add_argument("--tree", type=Path, metavar="PATH", help="another tree of this project, to count in as well")
    parser.add_argument("--case", action="append", choices=sorted(COUNTED), help="only this one; may be given again")
    args = parser.parse_args(argv)
    if STAND_IN not in os.environ:
        print("bench.launches: error: wanted the stand-in for a GPU, which says what is called", file=sys.stderr)
        return 2
    where = opening(args)
    if where is None:
        return 2
    trees = {"this": ROOT, **({str(args.tree): args.tree.resolve()} if args.tree else {})}
    rows = []
    try:
        for name in args.case or COUNTED:
            rows += [{"step": name, "tree": tree, **counts_of(COUNTED[name], at)} for tree, at in trees.items()]
    except ChildError as error:
        print(f"bench.launches: error: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    return closing(args, "launches", where, rows)


if __name__ == "__main__":
    sys.exit(main())
