"""Growth of a training process's resident set over rest, beside what was promised.

    python -m bench.memory --case deep --case ragged

Each way of each case trains in a process of its own for some steps, from built network and batch on: the network has
reserved the scratch memory of the kernels' threads by then, and is at rest. Its resident set may grow by 1.02 times the
promised bytes and 1 MiB.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ChildError
from bench.steps.cases import CASES, MIB, Case
from bench.steps.promised import promised_bytes
from bench.steps.resident import resident_of
from bench.steps.ways import our_ways

KEYS = ("plain", "sqrt", "planned", "one extra forward", "row blocks")
MOST_RATIO, MOST_MORE = 1.02, MIB


@dataclass(frozen=True, slots=True)
class Growth:
    """`promised_bytes` above rest, and what the resident set grew by. `own_peak`: see `bench.steps.resident`."""

    case: str
    way: str
    promised_bytes: int
    grown_bytes: int
    process_bytes: int
    own_peak: bool

    @property
    def ratio(self) -> float:
        """What it grew by over what was promised."""
        return self.grown_bytes / self.promised_bytes

    @property
    def within(self) -> bool:
        """Whether it grew by no more than it may."""
        return self.grown_bytes <= MOST_RATIO * self.promised_bytes + MOST_MORE


def growths(case: Case, *, steps: int) -> Iterator[Growth]:
    """One `Growth` for each of our ways of a case; one that fails is left out, and said."""
    for way in our_ways(case):
        if way.key not in KEYS:
            continue
        try:
            found = resident_of(way, case, steps=steps)
        except ChildError as error:
            print(f"{case.name}, {way.name} is left out: {error}", file=sys.stderr)
            continue
        promised = promised_bytes(way.schedule, case.chain)
        yield Growth(case.name, way.name, promised, found.above_start_bytes, found.peak_bytes, found.own_peak)


def table(rows: list[Growth]) -> str:
    """MiB promised and grown, and whether each is within its limit."""
    body = [
        [
            row.case,
            row.way,
            f"{row.promised_bytes / MIB:.1f}",
            f"{row.grown_bytes / MIB:.1f}",
            f"{row.ratio:.3f}",
            f"{row.process_bytes / MIB:.0f}",
            "yes" if row.within else "NO",
        ]
        for row in rows
    ]
    headers = ["case", "step", "promised MiB", "grown MiB", "ratio", "process MiB", "within"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 4, "left"))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    parser = parser_of("memory", __doc__)
    parser.add_argument(
        "--case", action="append", choices=CASES, help="may be repeated (default: deep, long and ragged)"
    )
    parser.add_argument("--steps", type=positive, default=3, metavar="N", help="in each process (default: 3)")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    names = args.case or ["deep", "long", "ragged"]
    rows = [row for name in names for row in growths(CASES[name], steps=args.steps)]
    print(table(rows))
    print(f"\nwithin: at most {MOST_RATIO} times what was promised and {MOST_MORE // MIB} MiB")
    return closing(args, "memory", where, [{**asdict(row), "ratio": row.ratio, "within": row.within} for row in rows])


if __name__ == "__main__":
    sys.exit(main())
