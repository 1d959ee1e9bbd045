"""The schedule of the smallest peak, whatever it recomputes.

Class: persistent, multi-level, with row blocks where the ladder has them. The intervals and leaves are those of
`checkpoint.planning.programs.persistent`, but a bottleneck is minimised instead of a sum, so neither a budget nor a
grid is needed: the bytes are exact for any widths.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from checkpoint.planning.programs.ladder import Ladder
from checkpoint.schedule.stretches import Stretch


@dataclass
class SmallestPeak:
    """The program on the positions of `ladder`."""

    ladder: Ladder
    peak_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        ladder = self.ladder
        starts, last = ladder.starts, ladder.n - 1
        # beside a_i [start][length], and all of it [end's class][length]; lengths from 1
        self._beside: dict[int, list[int]] = {start: [0] for start in (0, *starts)}
        self._to: dict[int, list[int]] = {start: [0] for start in starts}
        for length in range(1, last):
            for start in starts:
                if start + length <= last:
                    best = min(self._options(start, start + length))
                    self._beside[start].append(best)
                    self._to[ladder.start_of(start + length)].append(best + ladder.held[start])
        for stop in range(1, ladder.n):
            self._beside[0].append(min(self._options(0, stop)))
        self._to_end = [0] * (ladder.n + 1)
        for i in range(ladder.n - 1, -1, -1):
            self._to_end[i] = ladder.held[i] + min(self._options(i, ladder.n))
        self.peak_bytes = self._to_end[0]

    def needs(self, i: int, j: int) -> int:
        """The bytes that the interval from i to j takes at least, a_i and delta_j counted."""
        return (
            self._to_end[i]
            if j == self.ladder.n
            else self.ladder.held[i] + self._beside[self.ladder.start_of(i)][j - i]
        )

    def stretches(self) -> Iterator[Stretch]:
        """The schedule."""
        ladder = self.ladder
        waiting = [(0, ladder.n)]
        while waiting:
            i, j = waiting.pop()
            options = self._options(i, j)
            choice = options.index(min(options))
            if choice == 0:
                leaf = min(ladder.leaves_of(i, j), key=lambda leaf: leaf.need_bytes)
                yield ladder.leaf(i, j, leaf)
            else:
                rows = ladder.sweep_rows(i, i + choice, ladder.sweeps[ladder.start_of(i)][choice])
                yield ladder.sweep(i, i + choice, rows)
                waiting += [(i, i + choice), (i + choice, j)]

    def _options(self, i: int, j: int) -> list[int]:
        """The bytes beside a_i, the least for a leaf first, then those with a checkpoint at i + 1, i + 2, ..."""
        ladder, start = self.ladder, self.ladder.start_of(i)
        leaf = min(leaf.need_bytes for leaf in ladder.leaves_of(i, j)) - ladder.held[i]
        sweeps = ladder.sweeps[start][1 : j - i]
        before = self._beside[start][1 : j - i]
        if j == ladder.n:
            return [leaf, *map(max, before, self._to_end[i + 1 : j], sweeps)]
        delta = ladder.errors[j]
        behind = self._to[ladder.start_of(j)][j - i - 1 : 0 : -1]
        return [leaf, *map(max, before, behind, [delta + sweep for sweep in sweeps])]
