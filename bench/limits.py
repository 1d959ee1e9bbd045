"""The smallest limit on a process's memory in which each library trains a case.

    python -m bench.limits --case deep --case ragged

Each row is of processes of their own that build the network and a batch, and take some steps. The first has no limit:
its resident peak. On Linux, others are then limited in the private memory that they may have, libraries' own included,
to find the least limit in which the steps are taken: by halving, to 1 MiB. One that has not ended in time, ten times as
long as without a limit, is tried again with more; it is never taken for one that the limit has ended. Ours follows the
plan of the smallest arena, and the fastest of twice its bytes.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ChildError, ChildLate
from bench.machine.least import NoLimit, least_limit
from bench.steps import within
from bench.steps.cases import CASES, MIB, Case
from bench.steps.peers.present import absent_peers
from bench.steps.resident import resident_of
from bench.steps.ways import EAGER, JIT, REMAT, SEQUENTIAL, Way
from checkpoint import BudgetError, Plan, plan_chain

PEERS = {EAGER: "torch", SEQUENTIAL: "torch", JIT: "jax", REMAT: "jax"}

PATIENCE, LEAST_SECONDS = 10, 30.0
"""A limited process may take this many times as long as one without a limit, and this long in any case."""

MOST = 4
"""Limits of more than this many times what a process without one has are not tried."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a process takes that trains `case` in a way.

    `peak_bytes`: its resident peak without a limit. `limit_bytes`: the least limit on its private memory, found to 1
    MiB in `tries` processes; None where none is enforced. `certain`: the next lower one ended the process, and was not
    without an answer. `limited_peak_bytes`: the resident peak within that limit.
    """

    case: str
    way: str
    peak_bytes: int
    limit_bytes: int | None
    limited_peak_bytes: int | None
    certain: bool
    tries: int
    recompute_fraction: float | None


def ours(case: Case) -> Iterator[Way]:
    """The plan of the smallest arena, and that of twice its bytes."""
    try:
        plan_chain(case.chain, budget_bytes=0)
    except BudgetError as error:
        least = error.minimum_bytes
        yield _way("ours, the smallest plan", plan_chain(case.chain, budget_bytes=least))
        yield _way("ours, in twice its bytes", plan_chain(case.chain, budget_bytes=2 * least))


def limits(case: Case, *, steps: int, enforce: bool = True) -> Iterator[Limit]:
    """One `Limit` for each way of a case; one that fails is left out, and said."""
    absent = absent_peers()
    ways = [
        *ours(case),
        *(Way(name, "peer", library, key=name) for name, library in PEERS.items() if name not in absent),
    ]
    for way in ways:
        try:
            yield limit_of(way, case, steps=steps, enforce=enforce)
        except (ChildError, NoLimit) as error:
            print(f"{case.name}, {way.name} is left out: {error}", file=sys.stderr)


def limit_of(way: Way, case: Case, *, steps: int, enforce: bool) -> Limit:
    """The `Limit` of one way. Raises `ChildError` where it fails without a limit, `NoLimit` where any limit ends it."""
    if not enforce:
        peak = resident_of(way, case, steps=steps).peak_bytes
        return Limit(case.name, way.name, peak, None, None, False, 0, way.recompute_fraction)
    begun = time.monotonic()
    free = within.taken_by(way, case, steps=steps)
    patience = max(LEAST_SECONDS, PATIENCE * (time.monotonic() - begun))
    peaks: dict[int, int] = {}

    def fits(limit_bytes: int) -> bool | None:
        for seconds in (patience, 2 * patience):
            try:
                taken = within.taken_by(way, case, steps=steps, limit_bytes=limit_bytes, within_seconds=seconds)
            except ChildLate:
                continue
            except ChildError:
                return False
            peaks[limit_bytes] = taken.peak_bytes
            return True
        return None

    guess = free.private_bytes or free.peak_bytes
    found = least_limit(fits, guess=guess, step=MIB, most=MOST * guess)
    return Limit(
        case.name,
        way.name,
        free.peak_bytes,
        found.limit,
        peaks[found.limit],
        found.certain,
        found.tries,
        way.recompute_fraction,
    )


def table(rows: list[Limit]) -> str:
    """MiB of each way, and how much of a forward pass it recomputes."""
    body = [
        [
            row.case,
            row.way,
            f"{row.peak_bytes / MIB:.0f}",
            "" if row.limit_bytes is None else f"{row.limit_bytes / MIB:.0f}{'' if row.certain else ' or less'}",
            "" if row.limited_peak_bytes is None else f"{row.limited_peak_bytes / MIB:.0f}",
            "" if row.recompute_fraction is None else f"{row.recompute_fraction:.2f}",
        ]
        for row in rows
    ]
    headers = ["case", "step", "resident\nMiB", "least limit of\nprivate MiB", "resident MiB\nin it", "recomputed"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 4))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    parser = parser_of("limits", __doc__)
    parser.add_argument(
        "--case", action="append", choices=CASES, help="may be repeated (default: deep, long and ragged)"
    )
    parser.add_argument("--steps", type=positive, default=2, metavar="N", help="in each process (default: 2)")
    parser.add_argument("--no-limits", action="store_true", help="resident peaks alone, as on systems but Linux")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    for name, reason in absent_peers().items():
        if name in PEERS:
            print(f"{name} is left out: {reason}")
    enforce = sys.platform == "linux" and not args.no_limits
    names = args.case or ["deep", "long", "ragged"]
    rows = [row for name in names for row in limits(CASES[name], steps=args.steps, enforce=enforce)]
    print(table(rows))
    return closing(args, "limits", where, [asdict(row) for row in rows])


def _way(name: str, plan: Plan) -> Way:
    return Way(name, "ours", key=name, schedule=plan.schedule, recompute_fraction=plan.recompute_fraction, planned=True)


if __name__ == "__main__":
    sys.exit(main())
