"""Default threads against one thread on a machine that is busy with other processes, and at a quota of half a core.

    python -m bench.busy --turns 5

Each step is timed in a process of its own, in turns that take default threads and one thread after each other. By the
mean of all steps, as a few very slow ones are what a busy machine makes.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import figures_of
from bench.machine.environment import available_cores
from bench.machine.quota import NoQuota, quota
from bench.steps.cases import CASES, Case

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
MOST_RATIO = 1.3
SPIN = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
MOST_SPINNING_SECONDS = 3600
"""A competing process ends by itself after this long, should nobody end it."""

QUOTA_CORES = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a step under a load, medians over the turns of each turn's mean, and the median ratio."""

    case: str
    load: str
    default_seconds: float
    one_thread_seconds: float
    ratio: float

    @property
    def within(self) -> bool:
        """Whether default threads are no slower than they may be."""
        return self.ratio <= MOST_RATIO


@contextmanager
def competing(processes: int) -> Iterator[None]:
    """So many processes that are always busy, while the block runs."""
    code = SPIN.format(seconds=MOST_SPINNING_SECONDS)
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(processes)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def paces(case: Case, load: str, *, turns: int, seconds: float, started: Callable[[int], None] | None = None) -> Pace:
    """The pace of a case under whatever load there is; `started` may put a child under a quota."""
    facts = {"case": asdict(case), "seconds": seconds}
    found: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(turns):
        for alone in (False, True) if turn % 2 == 0 else (True, False):
            variables = ONE_THREAD if alone else {}
            child = figures_of(["-m", "bench.steps.pace"], facts, variables=variables, started=started)
            found[alone].append(child["mean_seconds"])
    ratio = statistics.median(own / one for own, one in zip(found[False], found[True], strict=True))
    return Pace(case.name, load, statistics.median(found[False]), statistics.median(found[True]), ratio)


def table(rows: list[Pace]) -> str:
    """Milliseconds of a step under each load."""
    body = [
        [
            row.case,
            row.load,
            f"{row.default_seconds * 1e3:.2f}",
            f"{row.one_thread_seconds * 1e3:.2f}",
            f"{row.ratio:.2f}",
            "yes" if row.within else "NO",
        ]
        for row in rows
    ]
    headers = ["case", "load", "default threads, ms", "one thread, ms", "ratio", f"at most {MOST_RATIO}"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 3, "left"))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    cores = available_cores()
    parser = parser_of("busy", __doc__)
    parser.add_argument(
        "--case", action="append", choices=CASES, help="may be repeated (default: classic, deep and ragged)"
    )
    parser.add_argument("--turns", type=positive, default=3, metavar="N", help="(default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="of steps in a process (default: 5)")
    parser.add_argument(
        "--processes", type=positive, default=cores + 1, metavar="N", help=f"that compete (default: {cores + 1})"
    )
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    rows = []
    for case in (CASES[name] for name in args.case or ("classic", "deep", "ragged")):
        for load, around in (
            ("nothing", nullcontext()),
            (f"{args.processes} processes on {cores} cores", competing(args.processes)),
        ):
            with around:
                rows.append(paces(case, load, turns=args.turns, seconds=args.seconds))
        load = f"a quota of {QUOTA_CORES:g} cores"
        try:
            with quota(QUOTA_CORES) as join:
                rows.append(paces(case, load, turns=args.turns, seconds=args.seconds, started=join))
        except NoQuota as reason:
            print(f"{case.name}, {load} is left out: {reason}")
    print(table(rows))
    return closing(args, "busy", where, [{**asdict(row), "within": row.within} for row in rows])


if __name__ == "__main__":
    sys.exit(main())
