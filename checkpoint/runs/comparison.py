"""The rows of `compare`: which runs there are, a run in a process of its own, and how it stands to the first."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

from checkpoint.errors import BudgetError, CheckpointError
from checkpoint.planning.choice import Choice
from checkpoint.planning.planned import keeps_bits
from checkpoint.runs.cases import Case
from checkpoint.runs.record import RunRecord
from checkpoint.runs.settings import RunSettings
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.units import format_bytes, three_digits
from mlp import format_sizes

ROOT = Path(__file__).parents[2]
"""Where the packages of this program are; the processes that it starts take them from there too."""

WEIGHTS = {
    "identical": "the final weights are store all's, to the last bit",
    "rounded": "they differ from store all's by rounding alone: these row blocks add up in another order",
    "differ": "they are not store all's, and no rounding explains that: please report it",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A row that is to be run: a case, its settings with one way of keeping and recomputing, and the schedule of it."""

    case: Case
    settings: RunSettings
    schedule: Schedule

    @property
    def name(self) -> str:
        """The way in words; a plan is named by its budget, and any other schedule as its strategy calls it."""
        choice = self.settings.choice
        if choice.checkpoint != "optimal":
            return self.schedule.name
        planned = f"planned in {format_bytes(choice.budget_bytes(self.settings.chain))}"
        return planned if choice.offload is None else f"{planned}, offloading to {choice.offload}"


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the table: a run, and how it stands to the case's first, which is plain backpropagation.

    `epoch_seconds` are the steps of the median epoch, as what else the machine does comes and goes; `seconds_ratio` is
    the ratio of these. `weights` is a key of `WEIGHTS`.
    """

    run: Run
    record: RunRecord
    epoch_seconds: float
    seconds_ratio: float
    peak_ratio: float
    weights: str

    @property
    def case(self) -> Case:
        """The case that the run belongs to."""
        return self.run.case

    @property
    def name(self) -> str:
        """The way in words."""
        return self.run.name

    def as_json(self) -> dict[str, Any]:
        """Every figure, in bytes and seconds."""
        return {
            "case": self.case.name,
            "name": self.name,
            "settings": asdict(self.run.settings),
            **self.record.as_json(),
            "epoch_seconds": self.epoch_seconds,
            "seconds_ratio": self.seconds_ratio,
            "peak_ratio": self.peak_ratio,
            "weights": self.weights,
            "identical_weights": self.weights == "identical",
        }


def runs_of(case: Case) -> tuple[list[Run], list[str]]:
    """The runs of a case, and a line for each way that is left out as its schedule is another's.

    Raises `CheckpointError` for a way that makes no schedule here.
    """
    runs: list[Run] = []
    notes = []
    for choice in case.ways:
        settings = replace(case.settings, checkpoint=choice.checkpoint, budget=choice.budget, offload=choice.offload)
        if choice.offload is None or choice.checkpoint != "optimal":
            settings = replace(settings, bandwidth=None, speed=None)
        run = Run(case, settings, choice.schedule(settings.chain, offloading=settings.offloading))
        known = next((other for other in runs if _same(other.schedule, run.schedule)), None)
        if known is None:
            runs.append(run)
        else:
            notes.append(f"{case.name}: {run.name} is the same schedule as {known.name}, and is not run again")
    return runs, notes


def within_reach(choice: Choice, chain: Chain) -> Choice:
    """`choice`, with the smallest budget that there is a plan for in place of one below it."""
    try:
        choice.schedule(chain)
    except BudgetError as error:
        return replace(choice, budget=str(error.minimum_bytes))
    return choice


def run_apart(run: Run, source: str, reading: Sequence[str] = ()) -> RunRecord:
    """Train in a process of its own, so that its resident peak is its own too.

    `source`: the data, read as the options `reading` say. Raises `CheckpointError` with the last line of what that
    process said, if it failed.
    """
    with tempfile.TemporaryDirectory(prefix="mlp-checkpointing-") as folder:
        report = Path(folder) / "run.json"
        # -P and the path: this program's packages, and no folder of the same name where the user stands.
        command = [sys.executable, "-P", "-m", "checkpoint", "train", "--data", source, "--json", str(report)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        ended = subprocess.run(  # noqa: S603
            [*command, *reading, *_options(run.settings)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        if ended.returncode != 0:
            last = (ended.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("mlp-checkpointing: error: ")
            raise CheckpointError(f"the run of {run.name} failed: {last}")
        return RunRecord.from_json(json.loads(report.read_text(encoding="utf-8")))


def compared(run: Run, record: RunRecord, first: RunRecord) -> Compared:
    """How a run stands to `first`, the case's plain backpropagation."""
    seconds, plain = _epoch_seconds(record), _epoch_seconds(first)
    exact = keeps_bits(run.schedule, run.settings.chain)
    return Compared(
        run,
        record,
        epoch_seconds=seconds,
        seconds_ratio=seconds / plain,
        peak_ratio=record.measured_peak_bytes / first.measured_peak_bytes,
        weights="identical" if record.weights_sha256 == first.weights_sha256 else "differ" if exact else "rounded",
    )


def table(case: Case, rows: Sequence[Compared]) -> str:
    """The rows of a case in print, and what the words in them mean."""
    settings = case.settings
    epochs = f"{settings.epochs} epoch{'' if settings.epochs == 1 else 's'}"
    title = f"{case.title}, {settings.activation}, eta {settings.eta:g}, {epochs} ({case.why})"
    on_gpu = any(row.record.pool_bytes is not None for row in rows)
    body = [
        [
            row.name,
            _quality(row.record),
            three_digits(row.epoch_seconds),
            f"{row.seconds_ratio:.2f}",
            f"{row.record.predicted_peak_bytes:,}",
            f"{row.record.measured_peak_bytes:,}",
            f"{row.peak_ratio:.3f}",
            *([f"{row.record.pool_bytes or 0:,}", f"{row.record.promised_bytes:,}"] if on_gpu else []),
            f"{row.record.peak_resident_bytes / 2**20:.0f}",
            row.weights,
        ]
        for row in rows
    ]
    headers = [
        "way",
        "test\naccuracy" if rows[0].record.test_accuracy is not None else "test\ncost",
        "seconds of\nmedian epoch",
        "of\nstore all's",
        "peak bytes\npredicted",
        "peak bytes\nmeasured",
        "of\nstore all's",
        *(["pool's\nbytes", "promised\nin all"] if on_gpu else []),
        "resident\nMiB",
        "weights",
    ]
    printed = tabulate(body, headers, disable_numparse=True, stralign="right", colalign=("left",))
    words = dict.fromkeys(row.weights for row in rows)
    return "\n".join([title, printed, *(f"{word}: {WEIGHTS[word]}" for word in words)])


def _quality(record: RunRecord) -> str:
    """The accuracy on the test samples, or the mean cost where they have values."""
    return f"{record.test_cost:.4g}" if record.test_accuracy is None else f"{record.test_accuracy:.4f}"


def _same(one: Schedule, other: Schedule) -> bool:
    return (one.actions, one.batch_size, one.pieces) == (other.actions, other.batch_size, other.pieces)


def _options(settings: RunSettings) -> Iterator[str]:
    for name, value in asdict(settings).items():
        if value is None or name == "shuffle":
            continue
        yield "--" + name.replace("_", "-")
        yield format_sizes(value) if name == "sizes" else str(value)
    if not settings.shuffle:
        yield "--no-shuffle"


def _epoch_seconds(record: RunRecord) -> float:
    return statistics.median(epoch.seconds for epoch in record.epochs)
