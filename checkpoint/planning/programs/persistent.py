"""The cheapest schedule under a budget in which what is stored stays until its backward step.

Class: persistent, multi-level. With m bytes left, a_i held and counted in them, and delta_j held, the interval (i, j)
is taken back at

    cost(i, j, m) = min of  leaf(i, j)                                              if it needs m bytes or less
                            sweep(i, k) + cost(k, j, m - a_i) + cost(i, k, m)       for i < k < j, if the sweep fits

Either its interior is held at once: a leaf. Or a_k is run to from a_i and kept: a checkpoint; the part behind it is
taken back beside a_i; then a_k has become the error delta_k, and the part before it is taken back in the same way. A
sweep fits if what it passes, a_i and delta_j are m bytes or less. a_0 takes none, and delta_L is made from a_L.

Leaves and sweeps are for the whole mini-batch or, where the ladder has block sizes, for a row block at a time
("persistent with row blocks"): in a sweep only the checkpoint itself is held for all rows then, and not the wide layers
on the way to it. A leaf in row blocks may go over several segments, see `checkpoint.planning.programs.block_segments`.

The recurrence is that of Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova (2019, Optimal checkpointing for
heterogeneous chains), who have coarse memory slots. Here m is the budget minus sums of kept activations, so a grid of
their common divisor is exact; workspaces, errors and leaves stand outside the grid and are compared in bytes. Where
the divisor is too small, a coarser grid rounds the kept activations up: the plan fits, and may miss the best one.

In chains that are given as numbers, an error may take more than its activation, and a layer some bytes while it runs.
There the class is narrower than its name: runs start from the last activation that is held, and the last layer goes
back as soon as its error is made. Of 1,500 random ones of 2 to 6 layers 1.1% have a better schedule, 0.1% a better one
than with one temporary checkpoint.

The gap to all schedules, by exhaustive search over random chains of 2 to 6 layers: with budgets anywhere between the
smallest peak and store-all's, 2.2% of 2,500 have a better schedule that is not persistent; with budgets in the lowest
quarter 7.7% of 2,000, whose least recomputing is up to 1.9 times less. The full once-only class has most of them: the
better of the two misses 0.4% and 1.9%. For short chains, `checkpoint.planning.programs.temporary` closes nearly all of
the gap.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from operator import add

from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.leaves import Leaf
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.planning.programs.tasks import Task, run_task
from checkpoint.schedule.stretches import Stretch

Choice = Leaf | int
"""What is done with an interval: a leaf, or the number of positions from its start to a checkpoint."""

_Chosen = tuple[tuple[int, int], Choice]

MAX_TIES = 2000
"""The most schedules of equal cost compared for less memory at each length of an interval: all in short chains."""


@dataclass
class Persistent:
    """The program on the positions of `ladder` for one budget, the bytes kept being multiples of `unit` bytes.

    m is a level: at level n, `bytes_at(n)` bytes are left; the highest has the whole budget. Intervals that are alike
    have one entry, at the class of their start, `ladder.start_of(i)`, and their length j - i. For each level:

    - `_costs[level][start][length]`: cost(i, j, m) for j < L
    - `_swept_costs[level][start][length]`: the same and sweep(i, j)
    - `_costs_by_end[level][class of j][length]`: the same as `_costs`, found by the end
    - `_costs_to_end[level][i]`: cost(i, L, m)
    """

    ladder: Ladder
    budget_bytes: int
    unit: int
    smallest: SmallestPeak | None = None
    """What intervals take at least, which spares to look at them with less."""
    cost: float = field(init=False)
    """The least cost of a whole step; infinite where nothing fits."""

    def __post_init__(self) -> None:
        ladder, last = self.ladder, self.ladder.n - 1
        self.levels = self.budget_bytes // self.unit
        # The most bytes of runs up to a place, in the largest blocks, and the least of those from it on, in any: both
        # never fall.
        self._most_to = {start: list(accumulate(sweeps, max)) for start, sweeps in ladder.whole_sweeps.items()}
        self._least_from = {
            start: list(accumulate(reversed(sweeps), min))[::-1] for start, sweeps in ladder.sweeps.items()
        }
        self._floors = {
            start: [ladder.floor(start, stop) for stop in range(start, last + 1)] for start in (0, *ladder.starts)
        }
        self._least = {start: self._least_bytes(start) for start in (0, *ladder.starts)}
        self._ends = [ladder.start_of(i) for i in range(ladder.n + 1)]
        self._units = self._rounded()
        self._costs: list[dict[int, list[float]]] = []
        self._swept_costs: list[dict[int, list[float]]] = []
        self._costs_by_end: list[dict[int, list[float]]] = []
        self._costs_to_end: list[list[float]] = []
        for level in range(self.levels + 1):
            self._add_level(level)
        self._add_input()
        self._chosen: dict[tuple[int, int, int], _Chosen] = {}

    def _least_bytes(self, start: int) -> list[int]:
        stops = range(start + 1, self.ladder.n)
        return [0, *(self.smallest.needs(start, stop) if self.smallest else 0 for stop in stops)]

    def _rounded(self) -> list[int]:
        """The units that each kept activation takes: rounded up, so that what is planned fits."""
        return [-(-held // self.unit) for held in self.ladder.held]

    def bytes_at(self, level: int) -> int:
        """The bytes that are left at a level."""
        return self.budget_bytes - (self.levels - level) * self.unit

    def stretches(self) -> Iterator[Stretch]:
        """The cheapest schedule; there is one only where `cost` is finite."""
        ladder = self.ladder
        waiting = [(0, ladder.n, self.levels)]
        while waiting:
            i, j, level = waiting.pop()
            _, choice = run_task(self._choose(i, j, level))
            if isinstance(choice, Leaf):
                yield ladder.leaf(i, j, choice)
                continue
            k = i + choice
            yield ladder.sweep(i, k, ladder.sweep_rows(i, k, self._free(i, j, level)))
            waiting += [(i, k, level), (k, j, level - self._units[i])]

    # Costs

    def _add_level(self, level: int) -> None:
        ladder, last = self.ladder, self.ladder.n - 1
        self._costs.append({})
        self._swept_costs.append({})
        self._costs_by_end.append({start: [inf] * last for start in ladder.starts})
        for start in reversed(ladder.starts):
            self._add_start(start, level)
        to_end = [inf] * (ladder.n + 1)
        self._costs_to_end.append(to_end)
        for i in range(ladder.n - 1, 0, -1):
            to_end[i] = self._best(i, ladder.n, level)

    def _add_start(self, start: int, level: int) -> None:
        """The intervals from one start: `_best` for each of them, which most of the time of a program goes into."""
        ladder, ends, left, lower = self.ladder, self._ends, self.bytes_at(level), level - self._units[start]
        most_to, least_from = self._most_to[start], self._least_from[start]
        floors, least = self._floors[start], self._least[start]
        leaves, forward = ladder.inner_leaves[start], ladder.forward
        here, behind = self._costs_by_end[level], self._costs_by_end[lower] if lower >= 0 else None
        costs, swept = [inf], [inf]
        for stop in range(start + 1, ladder.n):
            length, best = stop - start, inf
            if least[length] > left:
                costs.append(inf)
                swept.append(inf)
                continue
            for leaf in leaves[length]:
                if leaf.need_bytes <= left:
                    best = leaf.cost
                    break
            if best > floors[length] and behind is not None:
                free = left - ladder.held[start] - ladder.errors[stop]
                n = min(length, bisect_right(least_from, free)) - 1
                if n > 0:
                    before = swept[1 : n + 1]
                    if n >= bisect_right(most_to, free):  # some are run to in smaller blocks, or not at all
                        before = list(map(add, before, ladder.dearer(start, n, free)))
                    best = min(best, min(map(add, before, behind[ends[stop]][length - 1 : length - 1 - n : -1])))
            costs.append(best)
            swept.append(best + forward[stop] - forward[start])
            if start:
                here[ends[stop]][length] = best
        self._costs[level][start], self._swept_costs[level][start] = costs, swept

    def _add_input(self) -> None:
        """The intervals from the input, which takes no bytes and is met at the highest level alone."""
        self._add_start(0, self.levels)
        self.cost = self._best(0, self.ladder.n, self.levels)
        self._costs[-1][0].append(self.cost)

    def _best(self, i: int, j: int, level: int) -> float:
        """cost(i, j, m), those of shorter intervals and lower levels being known."""
        left = self.bytes_at(level)
        best = next((leaf.cost for leaf in self.ladder.leaves_of(i, j) if leaf.need_bytes <= left), inf)
        if best > self.ladder.floor(i, j):
            best = min(best, min(self._splits(i, j, level), default=inf))
        return best

    def _splits(self, i: int, j: int, level: int) -> Iterable[float]:
        """The costs of the interval with a checkpoint at i + 1, i + 2, ... as far as it can be run to."""
        ladder, start, lower = self.ladder, self.ladder.start_of(i), level - self._units[i]
        if lower < 0:
            return ()
        free = self._free(i, j, level)
        n = min(j - i - 1, bisect_right(self._least_from[start], free) - 1)
        if n <= 0:
            return ()
        before = self._swept_costs[level][start][1 : n + 1]
        if n >= bisect_right(self._most_to[start], free):  # some are run to in smaller blocks, or not at all
            before = list(map(add, before, ladder.dearer(start, n, free)))
        if j == ladder.n:
            return map(add, before, self._costs_to_end[lower][i + 1 : i + n + 1])
        length = j - i
        return map(add, before, self._costs_by_end[lower][ladder.start_of(j)][length - 1 : length - 1 - n : -1])

    def _free(self, i: int, j: int, level: int) -> int:
        """The bytes that a sweep from i may take: those left beside a_i and delta_j."""
        return self.bytes_at(level) - self.ladder.held[i] - self.ladder.errors[j]

    def _cost(self, i: int, j: int, level: int) -> float:
        if j == self.ladder.n and i > 0:
            return self._costs_to_end[level][i]
        return self._costs[level][self.ladder.start_of(i)][j - i]

    # Choices: of equal costs larger blocks are taken, then less memory.

    def _choose(self, i: int, j: int, level: int) -> Task[_Chosen]:
        """What to do with an interval, with the key by which equals are told apart; the smaller the better."""
        ladder, start = self.ladder, self.ladder.start_of(i)
        at = (i if j == ladder.n else start, j - i, level)
        if at in self._chosen:
            return self._chosen[at]
        cost, left = self._cost(i, j, level), self.bytes_at(level)
        leaves = [leaf for leaf in ladder.leaves_of(i, j) if leaf.cost == cost and leaf.need_bytes <= left]
        best: _Chosen | None = min(
            (((-leaf.rows, leaf.need_bytes), leaf) for leaf in leaves), key=lambda option: option[0], default=None
        )
        if best is None or -best[0][0] < ladder.chain.batch_size:
            beside = ladder.held[i] + ladder.errors[j]
            ties = [k for k, split in enumerate(self._splits(i, j, level), i + 1) if split == cost]
            for k in ties[:: -(-len(ties) * ladder.n // MAX_TIES)] if ties else []:
                (rows, need), _ = yield self._choose(k, j, level - self._units[i])
                (more_rows, more_need), _ = yield self._choose(i, k, level)
                key = (
                    max(rows, more_rows),
                    max(ladder.held[i] + need, more_need, beside + ladder.sweeps[start][k - i]),
                )
                if best is None or key < best[0]:
                    best = (key, k - i)
        if best is None:
            raise AssertionError("an interval is only looked at where it has a cost")
        self._chosen[at] = best
        return best
