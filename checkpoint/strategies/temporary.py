"""The best schedules in which an interval may have one checkpoint more, for a time: all of them at once, as a front.

Class: persistent with one temporary checkpoint. In an interval (a_i, a_j), a_i held, a second activation a_t may be
kept on the way. Checkpoints behind it are then reached by running from a_t instead of from a_i, as often as wanted; but
a_t is dropped before its own backward step, when the run from it to some a_m has begun. What is behind a_m goes back
without it, and the rest, a_t in it, is recomputed from a_i. Each part is an interval again and may have a temporary
checkpoint of its own. With none the class is that of `checkpoint.strategies.persistent`, which it contains.

An interval's least cost is a step function of the bytes it may take, so there is no grid: bytes are exact for any
widths, and one table answers for every budget. There are L^3 / 6 intervals with a temporary checkpoint, whose functions
grow with the square of L and more: a second's work at about 20 unequal layers, and no more is asked of it.

The gap to all schedules, by exhaustive search over random chains of 2 to 6 layers: GAP.

The idea that a checkpoint need not be persistent is discussed by Beaumont, Eyraud-Dubois, Herrmann, Joly and
Shilova (2019, Optimal checkpointing for heterogeneous chains), who leave it out; this program is ours.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from checkpoint.actions import Action, Forward, Release
from checkpoint.strategies.ladder import Ladder
from checkpoint.strategies.leaves import leaf_actions, sweep_actions


@dataclass(slots=True)
class Steps:
    """A cost that falls as bytes rise: at least needs[n] bytes bring it down to costs[n]. Below needs[0] it is infinite."""

    needs: list[int]
    costs: list[float]

    def at(self, left: int) -> float:
        """The cost within `left` bytes."""
        n = bisect_right(self.needs, left)
        return self.costs[n - 1] if n else inf


@dataclass(frozen=True, slots=True)
class _Option:
    """One way to take an interval back: a run of bytes and cost, then the part behind it, then the part before it.

    `beside` are bytes held while the part behind goes back. A leaf is a run and nothing else.
    """

    kind: str
    place: int
    need: int
    cost: float
    behind: Steps | None = None
    beside: int = 0
    before: Steps | None = None

    def at(self, left: int) -> float:
        """The cost within `left` bytes."""
        if left < self.need:
            return inf
        behind = self.behind.at(left - self.beside) if self.behind else 0
        return self.cost + behind + (self.before.at(left) if self.before else 0)


@dataclass
class Temporary:
    """The program on the positions of `ladder`, for every budget up to `most_bytes`."""

    ladder: Ladder
    most_bytes: int
    steps: Steps = field(init=False)
    """The least cost of a whole step, by budget."""

    def __post_init__(self) -> None:
        n = self.ladder.n
        self._plain: dict[tuple[int, int], Steps] = {}
        self._with: dict[tuple[int, int, int], Steps] = {}
        for length in range(1, n + 1):
            for i in range(n - length + 1):
                j = i + length
                for t in range(i + 1, j - 1):
                    self._with[i, t, j] = self._least(self._options_with(i, t, j))
                self._plain[i, j] = self._least(self._options(i, j))
        self.steps = self._plain[0, n]

    def actions(self, budget_bytes: int) -> Iterator[Action]:
        """The actions of the cheapest schedule within the budget; there is one only where its cost is finite."""
        ladder, positions = self.ladder, self.ladder.positions
        waiting: list[tuple[int, int | None, int, int]] = [(0, None, ladder.n, budget_bytes)]
        while waiting:
            i, t, j, left = waiting.pop()
            options = self._options(i, j) if t is None else self._options_with(i, t, j)
            chosen = min(options, key=lambda option: option.at(left))
            start, place = i if t is None else t, chosen.place
            if chosen.kind == "leaf":
                yield from leaf_actions(ladder.chain, positions[i], positions[j], ladder.chain.batch_size)
            elif chosen.kind == "keep for a time":
                yield from sweep_actions(positions[i], positions[place])
                waiting.append((i, place, j, left))
            else:
                dropped = chosen.kind == "drop"
                yield from _run(positions[start], positions[place], dropped=dropped)
                waiting.append((i, None if dropped else t, place, left))
                waiting.append((place, None, j, left - chosen.beside))

    def _options(self, i: int, j: int) -> Iterator[_Option]:
        """A leaf; a checkpoint at k, kept until its backward step; one at t, kept for a time."""
        ladder, end = self.ladder, self._error(j)
        (leaf,) = ladder.last_leaves[i] if j == ladder.n else ladder.leaves_of(i, j)
        yield _Option("leaf", j, leaf.need_bytes, leaf.cost)
        held, sweeps = ladder.held[i], ladder.sweeps_of(i)
        for k in range(i + 1, j):
            need, cost = held + sweeps[k - i] + end, ladder.sweep_cost(i, k)
            yield _Option("keep", k, need, cost, self._plain[k, j], held, self._plain[i, k])
            if k < j - 1:
                yield _Option("keep for a time", k, need, cost, before=self._with[i, k, j])

    def _options_with(self, i: int, t: int, j: int) -> Iterator[_Option]:
        """With a_t held beside a_i: a checkpoint at k that is run to from a_t; or a run to m in which a_t is dropped."""
        ladder, end = self.ladder, self._error(j)
        held, both, sweeps = ladder.held[i], ladder.held[i] + ladder.held[t], ladder.sweeps_of(t)
        for k in range(t + 1, j):
            cost = ladder.sweep_cost(t, k)
            if k > t + 2:
                yield _Option("keep", k, both + sweeps[k - t] + end, cost, self._plain[k, j], both, self._with[i, t, k])
            elif k == t + 2:
                yield _Option("keep", k, both + sweeps[k - t] + end, cost, self._plain[k, j], both, self._with[i, t, k])
            run = held + ladder.passing_sweep(t, k) + end
            yield _Option("drop", k, run, cost, self._plain[k, j], held, self._plain[i, k])

    def _error(self, j: int) -> int:
        return 0 if j == self.ladder.n else self.ladder.held[j]
