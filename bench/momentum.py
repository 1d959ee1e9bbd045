"""The least bytes in which a step with momentum recomputes at most one forward pass, planned and measured.

    python -m bench.momentum --case deep

The budget is found by bisection. The step is then measured in a process of its own: array bytes above rest, which must
be the predicted ones, the growth of the resident set, and the time over that of a plain step with momentum.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ChildError, figures_of
from bench.steps.cases import CASES, MIB, Case
from bench.steps.promised import promised_bytes
from bench.steps.resident import grown_bytes
from bench.steps.runner import ETA, batch_of
from checkpoint import BudgetError, Chain, NetworkWithCheckpointing, Plan, Schedule, chain_of, plan_chain
from checkpoint.planning.costs import OPERATIONS
from mlp import Network

MOMENTUM = 0.9
MOST_WORK = 1.0
MOST_MIB = {"deep": 3, "long": 3, "ragged": 1}
PRECISION_BYTES = 2**14


@dataclass(frozen=True, slots=True)
class Momentum:
    """A case's least plan. `promised_bytes` above rest; `plain_seconds`: of a step that stores all."""

    case: str
    promised_bytes: int
    measured_bytes: int
    grown_bytes: int
    recompute_fraction: float
    row_block: int | None
    seconds: float
    plain_seconds: float
    most_bytes: int | None

    @property
    def within(self) -> bool | None:
        """Whether it takes no more bytes than it may; None without a limit."""
        return None if self.most_bytes is None else self.promised_bytes <= self.most_bytes


def least_plan(case: Case, *, most_work: float = MOST_WORK) -> Plan:
    """The plan of the fewest bytes that recomputes at most `most_work` forward passes, to within 16 KiB."""
    below, found = 0, _plan(case, promised_bytes(None, chain_with(case)))
    while found.arena_bytes - below > PRECISION_BYTES:
        middle = (below + found.arena_bytes) // 2
        try:
            tried = _plan(case, middle)
        except BudgetError as error:
            below = max(middle, min(error.minimum_bytes - 1, found.arena_bytes - 1))
            continue
        if tried.recompute_fraction <= most_work:
            found = tried
        else:
            below = middle
    return found


def _plan(case: Case, budget_bytes: int) -> Plan:
    return plan_chain(chain_with(case), budget_bytes=budget_bytes, cost=OPERATIONS)


def chain_with(case: Case) -> Chain:
    return chain_of(case.sizes, batch_size=case.batch_size, momentum=MOMENTUM)


def measured(case: Case, *, steps: int) -> Momentum:
    """Plan a case and measure it. Raises `ChildError`."""
    found = least_plan(case)
    facts = {"case": asdict(case), "steps": steps}
    own = figures_of(["-m", "bench.momentum", "--child"], {**facts, "schedule": found.schedule.to_json()})
    plain = figures_of(["-m", "bench.momentum", "--child"], {**facts, "schedule": None})
    most = MOST_MIB.get(case.name)
    return Momentum(
        case.name,
        found.arena_bytes,
        own["measured_bytes"],
        own["grown_bytes"],
        found.recompute_fraction,
        found.row_block,
        own["seconds"],
        plain["seconds"],
        None if most is None else most * MIB,
    )


def child(facts: dict[str, Any]) -> dict[str, Any]:
    """What a step takes in this process."""
    case = Case(**{**facts["case"], "sizes": tuple(facts["case"]["sizes"])})
    more: dict[str, Any] = {"initialization": "scaled", "momentum": MOMENTUM}
    net: Network
    if facts["schedule"] is None:
        net = Network(case.sizes, **more)
    else:
        net = NetworkWithCheckpointing(case.sizes, schedule=Schedule.from_json(facts["schedule"]), **more)
    X, y = (net.backend.asarray(x) for x in batch_of(case))

    def step() -> None:
        net.update_mini_batch(X, y, eta=ETA)

    grown = grown_bytes(step, times=2)
    seconds = median(_seconds(step) for _ in range(facts["steps"]))
    with net.backend.measure() as usage:
        step()
    return {"grown_bytes": grown.above_start_bytes, "measured_bytes": usage.peak_bytes, "seconds": seconds}


def _seconds(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def table(rows: list[Momentum]) -> str:
    """MiB and time of each case."""
    body = [
        [
            row.case,
            f"{row.promised_bytes / MIB:.2f}",
            "" if row.most_bytes is None else f"{row.most_bytes / MIB:.0f}",
            f"{row.measured_bytes / MIB:.2f}",
            f"{row.grown_bytes / MIB:.2f}",
            f"{row.recompute_fraction:.2f}",
            "" if row.row_block is None else f"{row.row_block}",
            f"{row.seconds / row.plain_seconds:.2f}",
            {True: "yes", False: "NO", None: ""}[row.within],
        ]
        for row in rows
    ]
    headers = ["case", "promised MiB", "at most", "measured MiB", "RSS grown MiB", "recomputed", "row block"]
    return tabulate(
        body,
        [*headers, "time over plain", "within"],
        disable_numparse=True,
        colalign=("left", *["right"] * 7, "left"),
    )


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, 1 where a step fails, 2 where the JSON cannot be written."""
    parser = parser_of("momentum", __doc__)
    parser.add_argument(
        "--case", action="append", choices=CASES, help="may be repeated (default: deep, long and ragged)"
    )
    parser.add_argument("--steps", type=positive, default=5, metavar="N", help="that are timed (default: 5)")
    parser.add_argument("--child", action="store_true", help="measure what standard input names, in this process")
    args = parser.parse_args(argv)
    if args.child:
        print(json.dumps(child(json.load(sys.stdin))))
        return 0
    where = opening(args)
    if where is None:
        return 2
    try:
        rows = [measured(CASES[name], steps=args.steps) for name in args.case or MOST_MIB]
    except ChildError as error:
        print(f"bench.momentum: error: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    return closing(args, "momentum", where, [{**asdict(row), "within": row.within} for row in rows])


if __name__ == "__main__":
    sys.exit(main())
