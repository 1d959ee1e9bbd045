"""Schedules of long uneven chains: chosen by estimated costs, and in exact bytes.

Class: persistent, multi-level, with row blocks where the ladder has them; not always the best of it. A grid of bytes
fine enough to be exact takes too long here. On a coarse one, rounding each checkpoint up leaves bytes unused, the more
the deeper checkpoints are nested, until near the smallest peak nothing seems to fit. So the grid only estimates:

- `Estimates` is the program of `checkpoint.planning.programs.persistent` with checkpoints rounded to the nearest unit:
  that of the chain, or of one with equal layers where its own are nearly equal (`checkpoint.planning.programs.evened`).
- `SmallestPeak` knows, to the byte, what each interval needs at least.
- `Guided` writes the schedule from the top. Of the leaves and splits of an interval that fit in the bytes that are
  left, to the byte, both parts at their smallest peaks, it takes the one of the least estimate.

So a budget of the smallest peak or more always has a schedule, its cost is that of its actions, and what is left after
each choice is spent on the next.
"""

from collections.abc import Iterator
from math import inf

from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.leaves import Leaf
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.schedule.stretches import Stretch


class Estimates(Persistent):
    """About what intervals cost, for all budgets up to `budget_bytes`."""

    def _rounded(self) -> list[int]:
        """To the nearest unit; to one at least where alike intervals share their entries."""
        least = 0 if self.ladder.period >= self.ladder.n - 2 else 1
        return [max(least, round(held / self.unit)) for held in self.ladder.held]

    def _add_level(self, level: int) -> None:
        super()._add_level(level)
        self._add_start(0, level)

    def _add_input(self) -> None:
        """Done level by level."""

    def at(self, i: int, j: int, left: int) -> float:
        """About the cost of the interval from i to j within `left` bytes; what fits by rounding alone counts more."""
        level = self.levels - round((self.budget_bytes - left) / self.unit)
        level = max(0, min(level, self.levels))
        if j == self.ladder.n and i == 0:
            return 0
        for higher in range(level, self.levels + 1):
            cost = self._cost(i, j, higher)
            if cost < inf:
                return cost * (1 + higher - level)
        return self.ladder.floor(i, j) * self.ladder.n


class Guided:
    """The schedule for one budget on the ladder of `smallest`; infinite `cost` below the smallest peak."""

    def __init__(self, smallest: SmallestPeak, estimates: Estimates, budget_bytes: int) -> None:
        self.ladder: Ladder = smallest.ladder
        self._estimates, self._smallest = estimates, smallest
        self._steps: list[tuple[int, int, Leaf | None, int]] = []  # a leaf, or a run in blocks of that number of rows
        self.cost: float = inf
        if self._smallest.peak_bytes <= budget_bytes:
            self.cost = self._write(budget_bytes)

    @property
    def n_places(self) -> int:
        """At how many places checkpoints may be."""
        return self.ladder.n - 1

    @property
    def n_levels(self) -> int:
        """In how many levels of bytes costs are estimated."""
        return self._estimates.levels

    def stretches(self) -> Iterator[Stretch]:
        """The schedule."""
        for i, j, leaf, rows in self._steps:
            yield self.ladder.sweep(i, j, rows) if leaf is None else self.ladder.leaf(i, j, leaf)

    def _write(self, budget_bytes: int) -> float:
        ladder, total = self.ladder, 0.0
        waiting = [(0, ladder.n, budget_bytes)]
        while waiting:
            i, j, left = waiting.pop()
            leaf = next((leaf for leaf in ladder.leaves_of(i, j) if leaf.need_bytes <= left), None)
            best, place = (inf if leaf is None else leaf.cost), None
            if best > ladder.floor(i, j):
                best, place = min([(best, 0), *self._splits(i, j, left)])
            if not place:
                if leaf is None:
                    raise AssertionError("an interval is only looked at where it fits")
                self._steps.append((i, j, leaf, leaf.rows))
                total += leaf.cost
                continue
            free = left - ladder.held[i] - ladder.errors[j]
            self._steps.append((i, place, None, ladder.sweep_rows(i, place, free)))
            total += ladder.sweep_cost(i, place, free)
            waiting += [(i, place, left), (place, j, left - ladder.held[i])]
        return total

    def _splits(self, i: int, j: int, left: int) -> Iterator[tuple[float, int]]:
        """The estimates with a checkpoint at each place that fits, and the places."""
        ladder, smallest, at = self.ladder, self._smallest, self._estimates.at
        behind = left - ladder.held[i]
        free, sweeps = behind - ladder.errors[j], ladder.sweeps[ladder.start_of(i)]
        for k in range(i + 1, j):
            if sweeps[k - i] <= free and smallest.needs(k, j) <= behind and smallest.needs(i, k) <= left:
                yield ladder.sweep_cost(i, k, free) + at(k, j, behind) + at(i, k, left), k
