"""What a measurement of memory gives. No arrays here and no way to measure: the meters do that."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Usage:
    """Array bytes during a block of code, above those that were live when it began.

    `peak_bytes` is the most at any moment, `end_bytes` what was still live at the end; both are filled in when
    the block ends. `mark()` inside the block appends the bytes live at that moment to `marks`.
    """

    peak_bytes: int = 0
    end_bytes: int = 0
    marks: list[int] = field(default_factory=list)
    _read: object = None

    def mark(self) -> None:
        """Append the array bytes that are live now, above the block's start, to `marks`."""
        if callable(self._read):
            self.marks.append(self._read())
