"""The report of an acceptance run: a file that is whole after every row, a table, and what rows say together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.gpu_acceptance.checks.steps import CASES
from bench.gpu_acceptance.rows import CRASHED, FAILED, LEFT_OUT, Row, measured
from checkpoint.output import write_json
from checkpoint.units import format_bytes

FORMAT = "mlp-checkpointing bench gpu_acceptance 2"


@dataclass(slots=True)
class Report:
    """The rows so far. `path`: where they are, replaced whole with each row, so that a reader finds them all."""

    path: Path | None
    begun: float = field(default_factory=time.monotonic)
    environment: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row, and write it down."""
        self.rows.append(row)
        self.write()

    def write(self, *, complete: bool = False) -> None:
        """Write everything down; `complete`: nothing comes after this."""
        if self.path is None:
            return
        rows = [row.as_json() for row in self.rows]
        record = {"format": FORMAT, "complete": complete, "environment": self.environment}
        record |= {"seconds": self.seconds, "passed": self.passed, "rows": rows}
        write_json(self.path, record)

    @property
    def seconds(self) -> float:
        """Since it was begun."""
        return time.monotonic() - self.begun

    @property
    def passed(self) -> bool | None:
        """Whether no check has failed and nothing crashed; None where nothing was checked."""
        verdicts = [row.passed for row in self.rows if row.passed is not None]
        return all(verdicts) if verdicts else None

    def table(self) -> str:
        """One line for each row."""
        body = [[row.group, row.name, row.verdict, row.detail] for row in self.rows]
        return tabulate(body, ["group", "what", "", "found"], disable_numparse=True)

    def summary(self) -> str:
        """How many checks hold, and what became of the rest."""
        checks = [row.passed for row in self.rows if row.passed is not None]
        told = f"{sum(checks)} of {len(checks)} checks hold, in {self.seconds:.0f} s"
        for verdict in (FAILED, CRASHED, LEFT_OUT):
            count = sum(row.verdict == verdict for row in self.rows)
            told += f"; {count} {verdict}" if count else ""
        return told


def memory_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """What the driver gave our pool, beside what PyTorch reserved of it for the same steps: a row for each of ours."""
    given = {(row.group, row.name): row.figures["driver_bytes"] for row in rows if "driver_bytes" in row.figures}
    for case in CASES:
        theirs = given.get((f"{case}, PyTorch", "PyTorch eager: bytes"))
        if not theirs:
            continue
        for (group, name), ours in given.items():
            if group == f"{case}, ours":
                told = (
                    f"{format_bytes(ours)} from the driver, PyTorch eager {format_bytes(theirs)}: {ours / theirs:.3f}"
                )
                figures = {"driver_bytes": ours, "torch_bytes": theirs, "ratio": ours / theirs}
                yield measured("memory", f"{case}, {name.removesuffix(': bytes')}", told, figures)
