"""Planned Sequentials beside PyTorch's own ways to need less memory, in the same budgets.

    python -m bench.torch_plans --case ragged --share 0.3

Each budget is a part of what the module takes as it is. The rows of one: eager, the plan, and the fastest equal split
of `checkpoint_sequential` that fits by the same prediction. Then, once for each case, the compiler with PyTorch's
`activation_memory_budget`, which is a wish and no limit. Steps are interleaved in random order; a peak is measured by
PyTorch's profiler.
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
COMPILED_BUDGETS = (0.5, 0.05, 0.0)
"""Parts of the activations that PyTorch's compiler is asked to keep at most."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way in one budget: bytes predicted (None where nothing is) and measured, and seconds of a step.

    `share` and `budget_bytes` are None for what keeps to no budget.
    """

    case: str
    share: float | None
    budget_bytes: int | None
    way: str
    predicted_bytes: int | None
    peak_bytes: int
    recompute_fraction: float | None
    seconds: float
    over_eager: float


class Trained:
    """A case as a `torch.nn.Sequential`, and a mini-batch."""

    def __init__(self, case: Case) -> None:
        import torch

        torch.set_num_threads(blas_threads())
        torch.manual_seed(0)
        layers = (part for a, b in pairwise(case.sizes) for part in (torch.nn.Linear(a, b), torch.nn.Sigmoid()))
        self.net: Any = torch.nn.Sequential(*layers)
        self.X: Any = torch.rand(case.batch_size, case.sizes[0])
        self.y: Any = torch.rand(case.batch_size, case.sizes[-1])

    def entry(self, name: str, forward: Callable[[Any], Any]) -> Entry:
        """A step whose forward pass is `forward`."""

        def step() -> None:
            (((forward(self.X) - self.y) ** 2).sum() / (2 * len(self.X))).backward()
            self.net.zero_grad(set_to_none=True)

        return Way(name, "peer", "torch", key=name), Runner(name, "peer", step, lambda: _peak(step, self.X.device))


def rows_of(case: Case, share: float, *, turns: int) -> list[Row]:
    """The rows of a case at one budget. Raises `BudgetError` where nothing fits."""
    from checkpoint.torch import plan_sequential
    from checkpoint.torch.sequential import PlannedSequential, SequentialPlan

    trained = Trained(case)
    planned = plan_sequential(trained.net, trained.X, budget_bytes=f"{100 * share:g}%")
    plan = planned.plan
    entries = [trained.entry("eager", trained.net), trained.entry("planned", planned)]
    candidates = [plan.store_all, plan.chosen]
    if plan.equal is not None and plan.equal.segments != 1:
        split = SequentialPlan(plan.budget_bytes, plan.equal, plan.store_all, plan.equal, plan.traces)
        entries.append(trained.entry(plan.equal.name, PlannedSequential(trained.net, split)))
        candidates.append(plan.equal)
    once = sum(trace.forward_seconds for trace in plan.traces)
    timed = _timed(case, entries, turns)
    return [
        _row(
            case.name,
            row,
            timed[0],
            share=share,
            budget_bytes=plan.budget_bytes,
            predicted=candidate.predicted.peak_bytes,
            again=candidate.predicted.recomputed_seconds / once,
        )
        for row, candidate in zip(timed, candidates, strict=True)
    ]


def compiled_rows(case: Case, *, turns: int) -> list[Row]:
    """The rows of the compiler with each of `COMPILED_BUDGETS`; none where it fails, which is said."""
    from bench.steps.peers.torch_steps import compiled_forward

    trained = Trained(case)
    entries = [trained.entry("eager", trained.net)]
    try:
        for part in COMPILED_BUDGETS:
            forward = compiled_forward(trained.net, trained.X, trained.y, budget=part)
            entries.append(trained.entry(f"compile, activation_memory_budget {part:g}", forward))
    except Absent as error:
        print(f"the compiled steps are left out: {error}", file=sys.stderr)
        return []
    timed = _timed(case, entries, turns)
    return [_row(case.name, row, timed[0]) for row in timed[1:]]


def _timed(case: Case, entries: list[Entry], turns: int) -> list[Timed]:
    with tqdm(leave=False, disable=None, bar_format="{desc} [{elapsed}]") as bar:
        return time_interleaved(case, entries, turns=turns, report=bar.set_description)


def _row(
    case: str,
    row: Timed,
    eager: Timed,
    *,
    share: float | None = None,
    budget_bytes: int | None = None,
    predicted: int | None = None,
    again: float | None = None,
) -> Row:
    peak = row.peak_bytes or 0
    return Row(case, share, budget_bytes, row.way.name, predicted, peak, again, row.seconds, row.ratio_to(eager))


def _peak(step: Callable[[], None], device: Any) -> int:
    from checkpoint.torch.meter import allocated

    step()
    return allocated(step, device).peak_bytes


def table(rows: list[Row]) -> str:
    """One line for each way."""
    body = [
        [
            row.case,
            "" if row.budget_bytes is None else f"{row.budget_bytes / MIB:.1f}",
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
                rows += rows_of(case, share, turns=args.turns)
            except BudgetError as error:
                print(f"{case.name} at {share:.0%} is left out: {error}")
        rows += [] if args.no_compile else compiled_rows(case, turns=args.turns)
    print(table(rows))
    return closing(args, "torch_plans", where, [asdict(row) for row in rows])


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"wanted a part of eager's bytes, above 0 and up to 1; got {text}")
    return share


if __name__ == "__main__":
    sys.exit(main())
