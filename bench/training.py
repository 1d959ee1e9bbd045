"""The share of a `train` run that is in steps and evaluation, and where the rest of its seconds goes.

    python -m bench.training --data mnist

Runs the command as a user would, in a process of its own, on the classic network for five epochs. Its wall is measured
from outside: from starting the process to its end.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ROOT, ChildError

LEAST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Training:
    """Seconds of one run: its wall, and of it those in steps, in taking their mini-batches, and in evaluation."""

    wall_seconds: float
    step_seconds: float
    batch_seconds: float
    evaluation_seconds: float
    loading_seconds: float
    test_accuracy: float

    @property
    def other_seconds(self) -> float:
        """Starting up, and everything else."""
        busy = self.step_seconds + self.batch_seconds + self.evaluation_seconds
        return self.wall_seconds - busy - self.loading_seconds

    @property
    def share(self) -> float:
        """The part of the wall in steps, their mini-batches and evaluation."""
        return (self.step_seconds + self.batch_seconds + self.evaluation_seconds) / self.wall_seconds


def train(data: str, *, epochs: int) -> Training:
    """Run `train` once. Raises `ChildError` where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "train.json"
        command = [sys.executable, "-m", "checkpoint", "train", "--data", data, "--epochs", str(epochs)]
        begun = time.perf_counter()
        done = subprocess.run([*command, "--json", str(report)], capture_output=True, text=True, check=False, cwd=ROOT)
        wall = time.perf_counter() - begun
        if done.returncode:
            raise ChildError((done.stderr.strip().splitlines() or ["no message"])[-1])
        found = json.loads(report.read_text())
    return Training(
        wall,
        found["seconds"] - found["batch_seconds"],
        found["batch_seconds"],
        found["evaluation_seconds"],
        found["loading_seconds"],
        found["test_accuracy"],
    )


def table(rows: list[Training]) -> str:
    """Seconds of each run."""
    headers = ["run", "wall s", "steps", "batches", "evaluation", "loading", "the rest", "share", "accuracy"]
    body = [
        [
            f"{number}",
            *(f"{value:.3f}" for value in (row.wall_seconds, row.step_seconds, row.batch_seconds)),
            *(f"{value:.3f}" for value in (row.evaluation_seconds, row.loading_seconds, row.other_seconds)),
            f"{row.share:.1%}",
            f"{row.test_accuracy:.4f}",
        ]
        for number, row in enumerate(rows, start=1)
    ]
    return tabulate(body, headers, disable_numparse=True, stralign="right")


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, 1 where a run fails, 2 where the JSON cannot be written."""
    parser = parser_of("training", __doc__)
    parser.add_argument("--data", default="mnist", help="as of `train` (default: mnist)")
    parser.add_argument("--epochs", type=positive, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--repeats", type=positive, default=3, metavar="N", help="(default: 3)")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    try:
        rows = [train(args.data, epochs=args.epochs) for _ in range(args.repeats)]
    except ChildError as error:
        print(f"bench.training: error: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    share = statistics.median(row.share for row in rows)
    print(f"\nmedian {share:.1%} of the wall in steps, their batches and evaluation; wanted {LEAST_SHARE:.0%} at least")
    return closing(args, "training", where, [{**asdict(row), "share": row.share} for row in rows])


if __name__ == "__main__":
    sys.exit(main())
