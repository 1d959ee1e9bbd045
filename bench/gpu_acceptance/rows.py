"""What an acceptance run on a GPU finds: one row for each check. No arrays here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """`passed` is None for what is measured and not judged, and for what could not run; `detail` says which."""

    group: str
    name: str
    passed: bool | None
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The word for the table."""
        return {True: "ok", False: "FAILED", None: ""}[self.passed]


def to_the_end(group: str, rows: Iterable[Row]) -> Iterator[Row]:
    """`rows`, and a failed row where making them raises: time on a GPU is short, and other groups can still run."""
    try:
        yield from rows
    except Exception as error:
        yield Row(group, "all of it", False, f"ended early: {type(error).__name__}: {error}")
