"""Planned Sequentials beside PyTorch's own ways to need less memory, in the same budgets.

    python -m bench.torch_plans --case ragged --share 0.3

Each budget is a part of what the module takes as it is. The rows: eager, the plan, the fastest equal split of
`checkpoint_sequential` that fits by the same prediction, and the compiler with an `activation_memory_budget` of that
part, which is no limit. Steps are interleaved in random order; a peak is measured by PyTorch's profiler.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from bench.command import closing, opening, parser_of, positive
from bench.machine.environment import blas_threads
from bench.steps.cases import CASES, MIB, Case
from bench.steps.runner import Absent, Runner
from bench.steps.timing import Entry, Timed, time_interleaved
from bench.steps.ways import Way
from checkpoint import BudgetError

SHARES = (0.6, 0.3, 0.27, 0.15)


@dataclass(frozen=True, slots=True)
class Row:
    """One way in one budget: bytes predicted (None where nothing is) and measured, and seconds of a step."""

    case: str
    share: float
    budget_bytes: int
    way: str
    predicted_bytes: int | None
    peak_bytes: int
    recompute_fraction: float | None
    seconds: float
    over_eager: float


def rows_of(case: Case, share: float, *, turns: int, compiled: bool) -> list[Row]:
    """The rows of a case at one budget. Raises `BudgetError` where nothing fits."""
    import torch

    from bench.steps.peers.torch_steps import compiled_forward
    from checkpoint.torch import plan_sequential
    from checkpoint.torch.sequential import PlannedSequential, SequentialPlan

    torch.set_num_threads(blas_threads())
    torch.manual_seed(0)
    layers = (part for a, b in pairwise(case.sizes) for part in (torch.nn.Linear(a, b), torch.nn.Sigmoid()))
    net = torch.nn.Sequential(*layers)
    X, y = torch.rand(case.batch_size, case.sizes[0]), torch.rand(case.batch_size, case.sizes[-1])
    planned = plan_sequential(net, X, budget_bytes=f"{100 * share:g}%")
    plan = planned.plan

    def entry(name: str, forward: Callable[[Any], Any]) -> Entry:
        def step() -> None:
            (((forward(X) - y) ** 2).sum() / (2 * len(X))).backward()
            net.zero_grad(set_to_none=True)

        return Way(name, "peer", "torch", key=name), Runner(name, "peer", step, lambda: _peak(step, X.device))

    found = [(entry("eager", net), plan.store_all), (entry("planned", planned), plan.chosen)]
    if plan.equal is not None and plan.equal.segments != 1:
        split = SequentialPlan(plan.budget_bytes, plan.equal, plan.store_all, plan.equal, plan.traces)
        found.append((entry(plan.equal.name, PlannedSequential(net, split)), plan.equal))
    entries, candidates = [each for each, _ in found], [candidate for _, candidate in found]
    if compiled:
        try:
            entries.append(entry(f"compile, budget {share:g}", compiled_forward(net, X, y, budget=share)))
        except Absent as error:
            print(f"the compiled step is left out: {error}", file=sys.stderr)
    with tqdm(leave=False, disable=None, bar_format="{desc} [{elapsed}]") as bar:
        timed = time_interleaved(case, entries, turns=turns, report=bar.set_description)
    once = sum(trace.forward_seconds for trace in plan.traces)
    rows = []
    for at, row in enumerate(timed):
        predicted = candidates[at].predicted if at < len(candidates) else None
        again = None if predicted is None else predicted.recomputed_seconds / once
        rows.append(
            _row(
                case,
                share,
                plan.budget_bytes,
                row,
                timed[0],
                None if predicted is None else predicted.peak_bytes,
                again,
            )
        )
    return rows


def _row(
    case: Case, share: float, budget: int, row: Timed, eager: Timed, predicted: int | None, again: float | None
) -> Row:
    peak = row.peak_bytes or 0
    return Row(case.name, share, budget, row.way.name, predicted, peak, again, row.seconds, row.ratio_to(eager))


def _peak(step: Callable[[], None], device: Any) -> int:
    from checkpoint.torch.meter import allocated

    step()
    return allocated(step, device).peak_bytes


def table(rows: list[Row]) -> str:
    """One line for each way."""
    body = [
        [
            row.case,
            f"{row.budget_bytes / MIB:.1f}",
            row.way,
            "" if row.predicted_bytes is None else f"{row.predicted_bytes / MIB:.1f}",
            f"{row.peak_bytes / MIB:.1f}",
            "" if row.recompute_fraction is None else f"{row.recompute_fraction:.2f}",
            f"{row.seconds * 1e3:.1f}",
            f"{row.over_eager:.2f}",
        ]
        for row in rows
    ]
    headers = ["case", "budget MiB", "step", "predicted", "measured MiB", "recomputed", "ms", "over eager"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", "right", "left", *["right"] * 5))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where PyTorch is absent or the JSON cannot be written."""
    parser = parser_of("torch_plans", __doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated (default: ragged)")
    parser.add_argument("--share", action="append", type=_share, help="of eager's bytes (default: 0.6 0.3 0.27 0.15)")
    parser.add_argument("--turns", type=positive, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--no-compile", action="store_true", help="without the compiler's budget, which takes minutes")
    args = parser.parse_args(argv)
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        print("bench: error: PyTorch is not installed; pip install 'mlp-checkpointing[torch]'", file=sys.stderr)
        return 2
    where = opening(args)
    if where is None:
        return 2
    rows: list[Row] = []
    for case in (CASES[name] for name in args.case or ["ragged"]):
        for share in args.share or SHARES:
            try:
                rows += rows_of(case, share, turns=args.turns, compiled=not args.no_compile)
            except BudgetError as error:
                print(f"{case.name} at {share:.0%} is left out: {error}")
    print(table(rows))
    return closing(args, "torch_plans", where, [asdict(row) for row in rows])


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"wanted a part of eager's bytes, above 0 and up to 1; got {text}")
    return share


if __name__ == "__main__":
    sys.exit(main())
