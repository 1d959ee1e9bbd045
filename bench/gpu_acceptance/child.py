"""One group of checks in a process of its own: `python -m bench.gpu_acceptance.child GROUP`, for the command itself.

Every row is a line of JSON on standard output as soon as it is found; whatever else is printed goes to standard error.
An error of CUDA's that sticks to the process ends with it.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from backend import BackendUnavailable, select_backend
from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.checks.environment import is_stand_in
from bench.gpu_acceptance.groups import GROUPS, Group
from bench.gpu_acceptance.rows import Row, is_out_of_memory, left_out, to_the_end
from bench.gpu_acceptance.setting import Setting

NO_GPU = 2
"""The status of a process that found no GPU to use; it says why in its last line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a group and print its rows; 0, or 2 where there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_acceptance.child")
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("--device", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, required=True, help="after which no further row is begun")
    args = parser.parse_args(argv)
    deadline = time.monotonic() + args.seconds
    with _rows_apart() as output:
        try:
            backend = select_backend("cupy", device=args.device)
        except BackendUnavailable as error:
            if not is_out_of_memory(error):
                print(error, file=sys.stderr)
                return NO_GPU
            rows: Iterator[Row] = iter([left_out(args.group, "all of it", f"the GPU is too small or busy ({error})")])
        else:
            assert isinstance(backend, CupyBackend)
            rows = rows_of(args.group, GROUPS[args.group], backend, quick=args.quick, deadline=deadline)
        for row in rows:
            print(json.dumps(row.as_json()), file=output, flush=True)
    return 0


def rows_of(name: str, group: Group, backend: CupyBackend, *, quick: bool, deadline: float) -> Iterator[Row]:
    """The rows of a group, and one that says why where it ends early. A stand-in is quick and not timed."""
    stand_in = is_stand_in(backend)
    if group.timed and stand_in:
        yield left_out(name, "all of it", "the device is a stand-in in host memory, whose times mean nothing")
        return
    setting = Setting(backend, quick=quick or stand_in, timed=not stand_in, deadline=deadline)
    yield from to_the_end(name, group.rows(setting), deadline=deadline)


def _rows_apart() -> TextIO:
    """Standard output as a file for rows alone; what anybody prints from now on goes to standard error."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return output


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # at an orderly end libraries free memory, and stumble over a CUDA error that sticks
