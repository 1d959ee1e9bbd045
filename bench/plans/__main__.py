"""The step of the planner's choice over the fastest of other plans and strategies within the same budget.

    python -m bench.plans --turns 5 --cost default --cost seconds

Budgets are parts of what storing all takes. A ratio of 1.10 says that another way in the same bytes is 10% faster; one
below 1 that the choice is the fastest. As the fastest of several is taken by measured medians, noise makes ratios look
larger than they are, never smaller.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from bench.command import closing, opening, parser_of, positive
from bench.plans.cases import CASES, SHARES
from bench.plans.rivals import MOST, chosen, key_of, rivals
from bench.steps.cases import MIB, Case
from bench.steps.promised import promised_bytes
from bench.steps.runners import build
from bench.steps.timing import Entry, Timed, time_interleaved
from checkpoint import BudgetError, Chain, Cost, machine_cost
from checkpoint.planning.costs import OPERATIONS

WANTED_MEDIAN, WANTED_WORST = 1.02, 1.08

COSTS = ("default", OPERATIONS, "seconds")
"""What choices are made by: the default, operations alone, and this machine's constants."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One budget of one case: the choice by a cost, and the other ways, of which one is the fastest."""

    case: str
    share: float
    budget_bytes: int
    cost: str
    chosen: Timed
    others: tuple[Timed, ...]

    @property
    def fastest(self) -> Timed:
        """The other way of the least median time."""
        return min(self.others, key=lambda row: row.seconds)

    @property
    def ratio(self) -> float:
        """Seconds of the choice over those of the fastest other way: the median over the turns."""
        return self.chosen.ratio_to(self.fastest)

    def record(self) -> dict[str, Any]:
        """Every figure, in bytes and seconds."""
        return {
            "case": self.case,
            "share": self.share,
            "budget_bytes": self.budget_bytes,
            "cost": self.cost,
            "ratio": self.ratio,
            "chosen": self.chosen.way.name,
            "fastest": self.fastest.way.name,
            "ways": [_record(row) for row in (self.chosen, *self.others)],
        }


def judge(case: Case, share: float, *, costs: Sequence[str], turns: int, most: int) -> list[Judged] | str:
    """Time a case at one budget, the choice by each of `costs`; or why it cannot be, as text."""
    chain = case.chain
    budget = int(share * promised_bytes(None, chain))
    try:
        choices = {name: chosen(f"by {name}", chain, budget_bytes=budget, cost=_cost(name, chain)) for name in costs}
    except BudgetError as error:
        return str(error)
    # choices that are alike are timed once
    alike = {key_of(way.schedule): way for way in reversed(choices.values()) if way.schedule}
    others = rivals(chain, budget_bytes=budget, but=[way.schedule for way in alike.values() if way.schedule], most=most)
    ways = [*alike.values(), *others]
    if len(ways) == 1:
        return "no other way keeps to the budget"
    entries: list[Entry] = [(way, build(way, case)) for way in ways]
    with tqdm(leave=False, disable=None, bar_format="{desc} [{elapsed}]") as bar:
        rows = time_interleaved(case, entries, turns=turns, report=bar.set_description)
    found = []
    for name, choice in choices.items():
        assert choice.schedule is not None
        own = rows[list(alike).index(key_of(choice.schedule))]
        found.append(Judged(case.name, share, budget, name, own, tuple(row for row in rows if row is not own)))
    return found


def table(rows: list[Judged]) -> str:
    """One line for each case and budget."""
    body = [
        [
            row.case,
            row.cost,
            f"{row.share:.0%}",
            f"{row.budget_bytes / MIB:.1f}",
            f"{row.chosen.seconds * 1e3:.1f}",
            f"{row.ratio:.2f}",
            f"{len(row.others)}",
            f"{row.chosen.way.recompute_fraction or 0.0:.2f}",
            row.fastest.way.name,
        ]
        for row in rows
    ]
    headers = [
        "case",
        "chosen by",
        "budget",
        "MiB",
        "chosen ms",
        "over fastest",
        "others",
        "recomputed",
        "fastest other",
    ]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 6, "left"))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    parser = parser_of("plans", __doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated (default: all)")
    parser.add_argument(
        "--share", action="append", type=_share, help="of store all's bytes (default: 0.6 0.3 0.15 0.08)"
    )
    parser.add_argument("--turns", type=positive, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--most", type=positive, default=MOST, metavar="N", help=f"other ways (default: {MOST})")
    parser.add_argument(
        "--cost",
        action="append",
        choices=COSTS,
        help="what choices are made by; may be repeated, and each is one of the others' other ways (default: default)",
    )
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    rows: list[Judged] = []
    costs = args.cost or ["default"]
    for case in (CASES[name] for name in args.case or CASES):
        for share in args.share or SHARES:
            found = judge(case, share, costs=costs, turns=args.turns, most=args.most)
            if isinstance(found, str):
                print(f"{case.name} at {share:.0%} is left out: {found}")
            else:
                rows += found
    print(f"{table(rows)}\n")
    for cost in costs if rows else ():
        ratios = [row.ratio for row in rows if row.cost == cost]
        print(f"{cost}: median {statistics.median(ratios):.3f} (wanted {WANTED_MEDIAN} at most)", end=", ")
        print(f"worst {max(ratios):.3f} (wanted {WANTED_WORST} at most)")
    return closing(args, "plans", where, [row.record() for row in rows])


def _cost(name: str, chain: Chain) -> Cost | str | None:
    if name == "seconds":
        return machine_cost(chain.widths, batch_size=chain.batch_size)
    return None if name == "default" else name


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"wanted a part of store all's bytes, above 0 and up to 1; got {text}")
    return share


def _record(row: Timed) -> dict[str, Any]:
    record = asdict(row.way)
    del record["schedule"]
    return {**record, "seconds": row.seconds, "turn_seconds": list(row.turns), "peak_bytes": row.peak_bytes}


if __name__ == "__main__":
    sys.exit(main())
