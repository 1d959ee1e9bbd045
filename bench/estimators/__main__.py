"""Fitting digits, 10,000 images of MNIST and a table of 100,000 x 50: ours, scikit-learn, PyTorch and Keras.

    python -m bench.estimators --turns 5

Where MNIST is not in the cache, MLP_BENCH_MNIST=PATH names a copy.

The same shape, optimizer, mini-batches and epochs for all, in float32. Fits take turns in random order in one process;
ratios are medians over the turns. Bytes are those of a process each, for one epoch.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tabulate import tabulate
from tqdm import tqdm

from bench.command import closing, opening, parser_of, positive
from bench.estimators.cases import CASES, Case, NoData
from bench.estimators.ways import LIBRARIES, OURS, Fit, absent, fit_of
from bench.machine.child import ChildError, figures_of
from bench.steps.cases import MIB
from bench.steps.timing import order_of, wait_for_threads


@dataclass(frozen=True, slots=True)
class Fitted:
    """One way to fit a case. `ratio`: its seconds over ours, the median over the turns; `score`: of the last fit.

    `array_bytes`: the most in a fit of one epoch above the data, None where the library does not say.
    `resident_bytes`: what the resident set of its process grew by in such a fit; `process_bytes`: the whole of it.
    """

    case: str
    way: str
    seconds: float
    ratio: float
    score: float
    array_bytes: int | None
    resident_bytes: int | None
    process_bytes: int | None


def fitted(case: Case, ways: list[str], *, turns: int, clock: Callable[[], float] = time.perf_counter) -> list[Fitted]:
    """One `Fitted` for each way; bytes that cannot be measured are left out, and said."""
    fits: list[Fit] = [fit_of(way, case) for way in ways]
    seconds: list[list[float]] = [[] for _ in ways]
    scores = [fit_of(way, case, epochs=1)() for way in ways]  # loads what is loaded on first use
    for turn in range(turns):
        for place in order_of(turn, len(ways), seed=0):
            wait_for_threads()
            begun = clock()
            scores[place] = fits[place]()
            seconds[place].append(clock() - begun)
    base = seconds[ways.index(OURS)]
    return [
        Fitted(
            case.name,
            way,
            statistics.median(own),
            statistics.median(one / other for one, other in zip(own, base, strict=True)),
            score,
            *_bytes_of(way, case),
        )
        for way, own, score in zip(ways, seconds, scores, strict=True)
    ]


def _bytes_of(way: str, case: Case) -> tuple[int | None, int | None, int | None]:
    """Array bytes, growth of the resident set, and the whole of it, each in a process of its own."""
    facts = {"way": way, "case": case.name}
    try:
        arrays = figures_of(["-m", "bench.estimators.alone"], {**facts, "what": "arrays"})
        resident = figures_of(["-m", "bench.estimators.alone"], {**facts, "what": "resident"})
    except ChildError as error:
        print(f"{case.name}: bytes of {way} are left out: {error}", file=sys.stderr)
        return None, None, None
    return arrays["array_bytes"], resident["above_start_bytes"], resident["peak_bytes"]


def table(rows: list[Fitted]) -> str:
    """Seconds, ratios and MiB of each way."""

    def mib(found: int | None) -> str:
        return "" if found is None else f"{found / MIB:.1f}"

    body = [
        [
            *(row.case, row.way, f"{row.seconds:.3f}", f"{row.ratio:.2f}", f"{row.score:.4f}"),
            *(mib(found) for found in (row.array_bytes, row.resident_bytes, row.process_bytes)),
        ]
        for row in rows
    ]
    headers = ["case", "fit", "seconds", "ratio", "score", "array MiB", "grown MiB", "process MiB"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 6))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    parser = parser_of("estimators", __doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated (default: all)")
    parser.add_argument("--turns", type=positive, default=5, metavar="N", help="(default: 5)")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    missing = absent()
    for way, reason in missing.items():
        print(f"{way} is left out: {reason}")
    ways = [way for way in LIBRARIES if way not in missing]
    rows: list[Fitted] = []
    for name in tqdm(args.case or CASES, desc="estimators", unit="case", leave=False, disable=None):
        try:
            rows += fitted(CASES[name], ways, turns=args.turns)
        except NoData as error:
            print(f"{name} is left out: {error}")
    print(table(rows))
    print("\nratio: over ours in the same turn; score: accuracy, or R^2 for the table, on the data fitted to")
    return closing(args, "estimators", where, [asdict(row) for row in rows])


if __name__ == "__main__":
    sys.exit(main())
