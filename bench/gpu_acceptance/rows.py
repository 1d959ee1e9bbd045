"""What an acceptance run on a GPU finds: one row for each check or measurement. No arrays here."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from backend.cupy.detection import OUT_OF_MEMORY

OK, FAILED, CRASHED, MEASURED, LEFT_OUT = "ok", "FAILED", "CRASHED", "measured", "left out"


@dataclass(frozen=True, slots=True)
class Row:
    """`verdict` is one of the five above; `detail` says in words what was found, or why nothing was."""

    group: str
    name: str
    verdict: str
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """None for what is measured and not judged, and for what could not run."""
        return {OK: True, FAILED: False, CRASHED: False}.get(self.verdict)

    def as_json(self) -> dict[str, Any]:
        """Every field, and whether it passed."""
        return {**asdict(self), "passed": self.passed}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Row":
        """The row that `as_json` wrote."""
        return cls(**{name: value for name, value in record.items() if name != "passed"})


def checked(group: str, name: str, holds: bool, detail: str, figures: dict[str, Any] | None = None) -> Row:
    """The row of a check."""
    return Row(group, name, OK if holds else FAILED, detail, figures or {})


def measured(group: str, name: str, detail: str, figures: dict[str, Any] | None = None) -> Row:
    """A row that nobody judges."""
    return Row(group, name, MEASURED, detail, figures or {})


def left_out(group: str, name: str, why: str) -> Row:
    """The row of what could not run, through no fault of this project."""
    return Row(group, name, LEFT_OUT, f"left out: {why}")


def to_the_end(group: str, rows: Iterable[Row], *, deadline: float) -> Iterator[Row]:
    """`rows` until `deadline`, in the seconds of `time.monotonic`, and a last row where they end early.

    An error is a failed row, but for a GPU that is full: others may use it, and small ones have less than is asked for.
    """
    try:
        for row in rows:
            yield row
            if time.monotonic() > deadline:
                yield left_out(group, "what is left of it", "its time is over")
                return
    except Exception as error:
        said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        if is_out_of_memory(error):
            yield left_out(group, "what is left of it", f"the GPU is too small or busy ({said})")
        else:
            yield Row(group, "what is left of it", FAILED, f"ended early: {said}")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, says that there is no memory left: CuPy's, PyTorch's or ours."""
    while error is not None:
        name = type(error).__name__
        if isinstance(error, MemoryError) or getattr(error, "status", None) in OUT_OF_MEMORY.get(name, ()):
            return True
        if name == "OutOfMemoryError":  # PyTorch's is no MemoryError
            return True
        error = error.__cause__
    return False
