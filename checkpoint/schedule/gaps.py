"""The gaps between arrays that live in an arena, and which of them an array goes to: the rule of `placement`."""

from dataclasses import dataclass, field
from math import inf


@dataclass(slots=True)
class Gaps:
    """The free room between arrays that live, in an arena of `room` bytes that grows where nothing fits."""

    room: int
    ends: dict[int, int] = field(init=False)  # of each gap by its start
    starts: dict[int, int] = field(init=False)  # of each gap by its end
    last_below: dict[int, float] = field(default_factory=dict)  # when the array that ends at an offset dies
    last_above: dict[int, float] = field(default_factory=dict)  # when the array that starts at an offset dies

    def __post_init__(self) -> None:
        self.ends, self.starts = {0: self.room}, {self.room: 0}

    @property
    def state(self) -> object:
        """All that what is placed next depends on."""
        return self.room, list(self.ends.items()), self.last_below.copy(), self.last_above.copy()

    def choose(self, size: int, last: int) -> tuple[int | None, bool]:
        """The start of the gap for an array that dies at `last`, and whether it goes to its high end."""
        best: tuple[bool, bool, float, int, bool] | None = None
        chosen: tuple[int | None, bool] = None, False
        for start, end in self.ends.items():
            free = end - start
            if free < size:
                continue
            for high, dies in ((False, self.last_below.get(start, inf)), (True, self.last_above.get(end, inf))):
                # a gap that it fills; beside what outlives it, soonest to die; else what dies last; a small gap
                outlived = dies < last
                key = (free != size, outlived, -dies if outlived else dies, free, high)
                if best is None or key < best:
                    best, chosen = key, (start, high)
        return chosen

    def take(self, size: int, last: int, high: bool | None) -> int:
        """The offset of an array that dies at `last`, at an end of the largest gap or, for None, by the rule."""
        if high is None:
            start, high = self.choose(size, last)
        else:
            start = max(self.ends, key=lambda start: self.ends[start] - start, default=None)
            if start is not None and self.ends[start] - start < size:
                start = None
        offset = self._grow(size) if start is None else self._cut(start, size, high)
        self.last_above[offset] = self.last_below[offset + size] = last
        return offset

    def _cut(self, start: int, size: int, high: bool) -> int:
        end = self.ends.pop(start)
        offset = end - size if high else start
        del self.starts[end]
        low, top = (start, offset) if high else (offset + size, end)
        if low < top:
            self.ends[low], self.starts[top] = top, low
        return offset

    def _grow(self, size: int) -> int:
        offset = self.starts.pop(self.room, self.room)
        self.ends.pop(offset, None)
        self.room = offset + size
        return offset

    def free(self, start: int, end: int) -> None:
        """Give back the room of an array; gaps beside it become one with it."""
        del self.last_above[start], self.last_below[end]
        if start in self.starts:
            start = self.starts.pop(start)
        if end in self.ends:
            end = self.ends.pop(end)
        self.ends[start], self.starts[end] = end, start
