"""The smallest limit on a process's resident set in which each library trains a case.

    python -m bench.limits --case deep --case ragged

Each row is a process of its own that builds the network and a batch, and takes some steps: its resident peak, libraries
included, is the least limit that it stays in. Ours follows the plan of the smallest arena, and the fastest of twice its
bytes. Peers that are not installed are left out by name.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ChildError
from bench.steps.cases import CASES, MIB, Case
from bench.steps.peers.present import absent_peers
from bench.steps.resident import resident_of
from bench.steps.ways import EAGER, JIT, REMAT, SEQUENTIAL, Way
from checkpoint import BudgetError, Plan, plan_chain

PEERS = {EAGER: "torch", SEQUENTIAL: "torch", JIT: "jax", REMAT: "jax"}


@dataclass(frozen=True, slots=True)
class Limit:
    """The resident peak of a process that trains `case` in a way; forward passes recomputed, where they are known."""

    case: str
    way: str
    peak_bytes: int
    recompute_fraction: float | None


def ours(case: Case) -> Iterator[Way]:
    """The plan of the smallest arena, and that of twice its bytes."""
    try:
        plan_chain(case.chain, budget_bytes=0)
    except BudgetError as error:
        least = error.minimum_bytes
        yield _way("ours, the smallest plan", plan_chain(case.chain, budget_bytes=least))
        yield _way("ours, in twice its bytes", plan_chain(case.chain, budget_bytes=2 * least))


def limits(case: Case, *, steps: int) -> Iterator[Limit]:
    """One `Limit` for each way of a case; one that fails is left out, and said."""
    absent = absent_peers()
    ways = [
        *ours(case),
        *(Way(name, "peer", library, key=name) for name, library in PEERS.items() if name not in absent),
    ]
    for way in ways:
        try:
            found = resident_of(way, case, steps=steps)
        except ChildError as error:
            print(f"{case.name}, {way.name} is left out: {error}", file=sys.stderr)
            continue
        yield Limit(case.name, way.name, found.peak_bytes, way.recompute_fraction)


def table(rows: list[Limit]) -> str:
    """MiB of each way, and how much of a forward pass it recomputes."""
    body = [
        [
            row.case,
            row.way,
            f"{row.peak_bytes / MIB:.0f}",
            "" if row.recompute_fraction is None else f"{row.recompute_fraction:.2f}",
        ]
        for row in rows
    ]
    headers = ["case", "step", "least limit, MiB", "recomputed"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "left", "right", "right"))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    parser = parser_of("limits", __doc__)
    parser.add_argument(
        "--case", action="append", choices=CASES, help="may be repeated (default: deep, long and ragged)"
    )
    parser.add_argument("--steps", type=positive, default=2, metavar="N", help="in each process (default: 2)")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    for name, reason in absent_peers().items():
        if name in PEERS:
            print(f"{name} is left out: {reason}")
    rows = [row for name in args.case or ["deep", "long", "ragged"] for row in limits(CASES[name], steps=args.steps)]
    print(table(rows))
    return closing(args, "limits", where, [asdict(row) for row in rows])


def _way(name: str, plan: Plan) -> Way:
    return Way(name, "ours", key=name, schedule=plan.schedule, recompute_fraction=plan.recompute_fraction, planned=True)


if __name__ == "__main__":
    sys.exit(main())
