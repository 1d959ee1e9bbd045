"""The cheapest schedule under a budget in which what is stored stays until its backward step.

Class: persistent, multi-level. A checkpoint a_k inside an interval (a_i, a_j) is reached by running forward from a_i;
the part behind it, from a_k to a_j, is taken back with a_k held; then a_k has become the error, and the part before it
is taken back in the same way. An interval may also be a leaf, whose interior is held at once, for the whole mini-batch
or, where block sizes are given, for a block of rows at a time ("persistent with row blocks"). With block sizes, a run
to a checkpoint is made in row blocks too where that is needed: only the checkpoint itself is held for all rows then,
and not the wide layers on the way to it.

The dynamic program is that of Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova (2019, Optimal checkpointing for
heterogeneous chains), over intervals and the bytes left; theirs has coarse memory slots. The bytes left are the budget
minus sums of activation sizes, so a grid of the sizes' common divisor is exact. The last layer's error is never kept
beside its activation and stands outside the grid, and so do workspaces and leaves: they are compared in bytes. Where
the divisor is too small a coarser grid rounds the kept activations up: the plan fits, and may miss the best one.

The gap to all schedules, by exhaustive search over random chains of 2 to 6 layers: with budgets anywhere between the
smallest peak and store-all's, 2.2% of 2,500 have a better schedule that is not persistent; with budgets in the lowest
quarter 7.7% of 2,000, whose least recomputing is up to 1.9 times less. The full once-only class has most of them: the
better of the two misses 0.4% and 1.9%. `checkpoint.planning.programs.temporary` closes nearly all of it, for short chains.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from math import gcd, inf
from operator import add

from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.leaves import Leaf, leaf_actions, sweep_in_blocks
from checkpoint.planning.programs.tasks import Task, run_task
from checkpoint.schedule.actions import Action

Choice = Leaf | int
"""What is done with an interval: a leaf, or a checkpoint so many positions behind its start."""

_Chosen = tuple[tuple[int, int], Choice]

MAX_TIES = 2000
"""So many schedules of equal cost are compared for less memory at each length of an interval: all in short chains."""


def exact_unit(ladder: Ladder) -> int:
    """The common divisor of the activations that may be kept, in bytes."""
    return reduce(gcd, ladder.held[1:-1], 0) or 1


@dataclass
class Persistent:
    """The program on the positions of `ladder` for one budget, the bytes kept being multiples of `unit` bytes.

    Level m of its tables has `budget_bytes - (levels - m) * unit` bytes, those of the activation that an interval
    starts from counted.
    """

    ladder: Ladder
    budget_bytes: int
    unit: int
    cost: float = field(init=False)
    """The least cost of a whole step; infinite where nothing fits."""

    def __post_init__(self) -> None:
        ladder = self.ladder
        self.levels = self.budget_bytes // self.unit
        # The most bytes of runs up to a place, and the least of those from it on: both never fall.
        self._most_to = {start: list(accumulate(sweeps, max)) for start, sweeps in ladder.sweeps.items()}
        self._least_from = {
            start: list(accumulate(reversed(sweeps), min))[::-1] for start, sweeps in ladder.sweeps.items()
        }
        self._units = [-(-held // self.unit) for held in ladder.held]
        self._from: list[dict[int, list[float]]] = []  # [level][start][length]: the cost of an interval
        self._and_sweep: list[dict[int, list[float]]] = []  # the same with the cost of running through it
        self._to: list[dict[int, list[float]]] = []  # [level][end's class][length]: the same intervals by their end
        self._to_end: list[list[float]] = []  # [level][position]: the cost of the rest of the chain, first run included
        for level in range(self.levels + 1):
            self._add_level(level)
        self._add_input()
        self.cost = self._cost(0, ladder.n, self.levels)
        self._chosen: dict[tuple[int, int, int], _Chosen] = {}

    def actions(self) -> Iterator[Action]:
        """The actions of the cheapest schedule; there is one only where `cost` is finite."""
        return self._actions()

    def bytes_at(self, level: int) -> int:
        """The bytes of a level."""
        return self.budget_bytes - (self.levels - level) * self.unit

    # Costs

    def _add_level(self, level: int) -> None:
        ladder, left = self.ladder, self.bytes_at(level)
        starts, last = ladder.starts, ladder.n - 1
        rows: dict[int, list[float]] = {start: [inf] for start in starts}
        sums: dict[int, list[float]] = {start: [inf] for start in starts}
        columns: dict[int, list[float]] = {start: [inf] for start in starts}
        self._from.append(rows)
        self._and_sweep.append(sums)
        self._to.append(columns)
        for length in range(1, last):
            for start in starts:
                stop = start + length
                if stop > last:
                    break
                best = next((leaf.cost for leaf in ladder.inner_leaves[start][length] if leaf.need_bytes <= left), inf)
                if best > ladder.floor(start, stop):
                    best = min(best, min(self._splits(start, stop, level), default=inf))
                rows[start].append(best)
                sums[start].append(best + ladder.sweep_cost(start, stop))
                columns[ladder.start_of(stop)].append(best)
        rest = [inf] * (ladder.n + 1)
        self._to_end.append(rest)
        for i in range(ladder.n - 1, 0, -1):
            best = next((leaf.cost for leaf in ladder.last_leaves[i] if leaf.need_bytes <= left), inf)
            if best > ladder.floor(i, ladder.n):
                best = min(best, min(self._splits(i, ladder.n, level), default=inf))
            rest[i] = best

    def _add_input(self) -> None:
        """Costs of the intervals from the input, which takes no bytes and is there at the highest level alone."""
        ladder, left = self.ladder, self.budget_bytes
        rows: list[float] = [inf]
        sums: list[float] = [inf]
        self._from[-1][0], self._and_sweep[-1][0] = rows, sums
        for stop in range(1, ladder.n + 1):
            leaves = ladder.last_leaves[0] if stop == ladder.n else ladder.inner_leaves[0][stop]
            best = next((leaf.cost for leaf in leaves if leaf.need_bytes <= left), inf)
            if best > ladder.floor(0, stop):
                best = min(best, min(self._splits(0, stop, self.levels), default=inf))
            rows.append(best)
            sums.append(best + ladder.sweep_cost(0, stop))

    def _splits(self, i: int, j: int, level: int) -> Iterable[float]:
        """The costs of the interval with a checkpoint at i + 1, i + 2, ... as far as it can be run to."""
        ladder, start, lower = self.ladder, self.ladder.start_of(i), level - self._units[i]
        if lower < 0:
            return ()
        ends = j == ladder.n
        free = self.bytes_at(level) - ladder.held[i] - (0 if ends else ladder.held[j])
        n = min(j - i - 1, bisect_right(self._least_from[start], free) - 1)
        if n <= 0:
            return ()
        before = self._and_sweep[level][start][1 : n + 1]
        if n >= bisect_right(self._most_to[start], free):  # some on the way cannot be run to
            sweeps = ladder.sweeps[start]
            before = [cost if sweeps[k] <= free else inf for k, cost in enumerate(before, 1)]
        if ends:
            return map(add, before, self._to_end[lower][i + 1 : i + n + 1])
        length = j - i
        return map(add, before, self._to[lower][ladder.start_of(j)][length - 1 : length - 1 - n : -1])

    # Choices: of equal costs larger blocks are taken, then less memory.

    def _cost(self, i: int, j: int, level: int) -> float:
        if j == self.ladder.n and i > 0:
            return self._to_end[level][i]
        return self._from[level][self.ladder.start_of(i)][j - i]

    def _choose(self, i: int, j: int, level: int) -> Task[_Chosen]:
        """What to do with an interval, with the key by which equals are told apart; the smaller the better."""
        ladder, start = self.ladder, self.ladder.start_of(i)
        at = (i if j == ladder.n else start, j - i, level)
        if at in self._chosen:
            return self._chosen[at]
        cost, left = self._cost(i, j, level), self.bytes_at(level)
        leaves = ladder.last_leaves[i] if j == ladder.n else ladder.inner_leaves[start][j - i]
        options = [
            ((-leaf.rows, leaf.need_bytes), leaf) for leaf in leaves if leaf.cost == cost and leaf.need_bytes <= left
        ]
        best: _Chosen | None = min(options, key=lambda option: option[0], default=None)
        sweep = self.ladder.sweeps[start]
        ends = j == ladder.n
        if best is None or -best[0][0] < ladder.chain.batch_size:
            ties = [k for k, split in enumerate(self._splits(i, j, level), i + 1) if split == cost]
            for k in ties[:: -(-len(ties) * ladder.n // MAX_TIES)] if ties else []:
                (rows, need), _ = yield self._choose(k, j, level - self._units[i])
                (more_rows, more_need), _ = yield self._choose(i, k, level)
                run = ladder.held[i] + sweep[k - i] + (0 if ends else ladder.held[j])
                key = (max(rows, more_rows), max(ladder.held[i] + need, more_need, run))
                if best is None or key < best[0]:
                    best = (key, k - i)
        if best is None:
            raise AssertionError("an interval is only looked at where it has a cost")
        self._chosen[at] = best
        return best

    def _actions(self) -> Iterator[Action]:
        ladder = self.ladder
        waiting = [(0, ladder.n, self.levels)]
        while waiting:
            i, j, level = waiting.pop()
            _, choice = run_task(self._choose(i, j, level))
            if isinstance(choice, Leaf):
                yield from leaf_actions(ladder.chain, ladder.positions[i], ladder.positions[j], choice.rows)
                continue
            k = i + choice
            free = self.bytes_at(level) - ladder.held[i] - (0 if j == ladder.n else ladder.held[j])
            rows = ladder.sweep_rows(i, k, free)
            yield from sweep_in_blocks(ladder.chain, ladder.positions[i], ladder.positions[k], rows)
            waiting += [(i, k, level), (k, j, level - self._units[i])]
