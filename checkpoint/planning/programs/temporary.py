"""The best schedules in which an interval may have one checkpoint more, for a time: for every budget at once.

Class: persistent with one temporary checkpoint. In an interval (a_i, a_j), a_i held, a second activation a_t may be
kept on the way. Checkpoints behind it are then reached by running from a_t instead of from a_i, as often as wanted; but
a_t is dropped before its own backward step, when the run from it to some a_m has begun. What is behind a_m goes back
without it, and the rest, with a_t, is recomputed from a_i. Each part is an interval again and may have a temporary
checkpoint of its own. With none it is the class of `checkpoint.planning.programs.persistent`, which is contained in
this one.

The least cost of an interval is a step function of the bytes that it may take. So there is no grid: bytes are exact for
any widths, and one table answers every budget. There are L^3 / 6 intervals with a temporary checkpoint, each with up to
2 L ways on, so the table is for chains of some twenty layers and not for long ones.

The gap to all schedules, by exhaustive search over random chains of 2 to 6 layers: of 4,000 with budgets anywhere
between the smallest peak and store-all's, none has a better schedule (persistent alone: 2.3%, the better of it and
once-only: 0.3%); of 4,000 with budgets in the lowest quarter one has, 0.03% (5.5% and 1.0%).

That checkpoints which do not persist can be better is shown by Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova
(2019, Optimal checkpointing for heterogeneous chains), whose program leaves them out; this one is ours.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf

from checkpoint.planning.costs import Cost
from checkpoint.planning.programs.leaves import Leaf, Leaves
from checkpoint.schedule.actions import Action, Forward, Release
from checkpoint.schedule.chain import Chain
from checkpoint.strategies.sweeps import there_and_back


@dataclass(frozen=True, slots=True)
class Steps:
    """A cost that falls as bytes rise: from needs[n] bytes on it is costs[n], below needs[0] infinite."""

    needs: list[int]
    costs: list[float]

    def at(self, left: int) -> float:
        """The cost within `left` bytes."""
        n = bisect_right(self.needs, left)
        return self.costs[n - 1] if n else inf


NOTHING = Steps([0], [0])
"""What nothing takes."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to take an interval back: a run of `need` bytes and `cost`, the part behind it, the part before it.

    `kind` is "leaf", "keep", "keep for a time" or "drop", which is of the activation that the run starts from. The run
    goes to a_place, and `beside` bytes are held while the part behind a_place goes back.
    """

    kind: str
    place: int
    need: int
    cost: float
    behind: Steps = NOTHING
    beside: int = 0
    before: Steps = NOTHING

    def at(self, left: int) -> float:
        """The cost within `left` bytes."""
        return inf if left < self.need else self.cost + self.behind.at(left - self.beside) + self.before.at(left)

    def points(self, most_bytes: int) -> Iterator[tuple[int, float]]:
        """The bytes up to `most_bytes` from which on it costs less, each with the cost."""
        a, b, beside = self.behind, self.before, self.beside
        if not (a.needs and b.needs):
            return
        here = max(self.need, a.needs[0] + beside, b.needs[0])
        m, n = bisect_right(a.needs, here - beside), bisect_right(b.needs, here)
        while here <= most_bytes:
            yield here, self.cost + a.costs[m - 1] + b.costs[n - 1]
            following = a.needs[m] + beside if m < len(a.needs) else most_bytes + 1
            if n < len(b.needs) and b.needs[n] <= following:
                here = b.needs[n]
                m += here == following
                n += 1
            else:
                here = following
                m += 1


@dataclass
class Temporary:
    """The program for budgets of up to `most_bytes`."""

    chain: Chain
    cost: Cost
    most_bytes: int
    steps: Steps = field(init=False)
    """The least cost of a whole step."""

    def __post_init__(self) -> None:
        chain, n, rows = self.chain, self.chain.n_layers, self.chain.batch_size
        self._held = [chain.activation_bytes(layer) for layer in range(n)]
        self._errors = [chain.error_bytes(layer) for layer in range(n)] + [0]  # a_L is never beside its error
        layers = range(1, n + 1)
        self._forward = list(accumulate((self.cost.forward(layer, rows) for layer in layers), initial=0))
        leaves = Leaves(chain, self.cost, [rows], range(n + 1))
        self._leaves: list[dict[int, Leaf]] = []
        for start, (last,) in enumerate(leaves.to_end()):
            inner = enumerate(leaves.from_start(start), start + 1)
            self._leaves.append({stop: leaf for stop, (leaf,) in inner} | {n: last})
        self._runs = [self._run_bytes(start) for start in range(n)]
        self._plain: dict[tuple[int, int], Steps] = {}
        self._beside: dict[tuple[int, int, int], Steps] = {}  # with a temporary checkpoint beside the start
        for length in layers:
            for i in range(n - length + 1):
                j = i + length
                for t in range(i + 1, j - 1):
                    self._beside[i, t, j] = self._least(self._ways_beside(i, t, j))
                self._plain[i, j] = self._least(self._ways(i, j))
        self.steps = self._plain[0, n]

    def actions(self, budget_bytes: int) -> Iterator[Action]:
        """The actions of the cheapest schedule within the budget; there is one only where its cost is finite."""
        waiting: list[tuple[int, int | None, int, int]] = [(0, None, self.chain.n_layers, budget_bytes)]
        while waiting:
            i, t, j, left = waiting.pop()
            ways = self._ways(i, j) if t is None else self._ways_beside(i, t, j)
            way = min(ways, key=lambda way: way.at(left))
            if way.kind == "leaf":
                yield from there_and_back(self.chain.n_layers, i, j)
                continue
            yield from _run(i if t is None else t, way.place, drop=way.kind == "drop")
            if way.kind == "keep for a time":
                waiting.append((i, way.place, j, left))
                continue
            waiting.append((i, None if way.kind == "drop" else t, way.place, left))
            waiting.append((way.place, None, j, left - way.beside))

    def _ways(self, i: int, j: int) -> Iterator[_Way]:
        """From a_i, which is held, to the error of layer j: a leaf, or a checkpoint at some place between them."""
        leaf = self._leaves[i][j]
        yield _Way("leaf", j, leaf.need_bytes, leaf.cost)
        held, error, runs = self._held[i], self._errors[j], self._runs[i]
        for k in range(i + 1, j):
            need, cost = held + runs[k - i] + error, self._forward[k] - self._forward[i]
            yield _Way("keep", k, need, cost, self._plain[k, j], held, self._plain[i, k])
            if k < j - 1:
                yield _Way("keep for a time", k, need, cost, before=self._beside[i, k, j])

    def _ways_beside(self, i: int, t: int, j: int) -> Iterator[_Way]:
        """The same with a_t held beside a_i: more checkpoints run to from a_t, and then the run in which it goes."""
        held, both, error, runs = self._held[i], self._held[i] + self._held[t], self._errors[j], self._runs[t]
        for k in range(t + 1, j):
            cost = self._forward[k] - self._forward[t]
            if k > t + 1:
                yield _Way("keep", k, both + runs[k - t] + error, cost, self._plain[k, j], both, self._beside[i, t, k])
            passed = max(runs[k - t], self._held[t] + self._held[t + 1] + self.chain.forward_bytes(t + 1))
            yield _Way("drop", k, held + passed + error, cost, self._plain[k, j], held, self._plain[i, k])

    def _least(self, ways: Iterable[_Way]) -> Steps:
        needs: list[int] = []
        costs: list[float] = []
        for need, cost in sorted(point for way in ways for point in way.points(self.most_bytes)):
            if not costs or cost < costs[-1]:
                needs.append(need)
                costs.append(cost)
        return Steps(needs, costs)

    def _run_bytes(self, start: int) -> list[int]:
        """By the number of layers: the most bytes beside a_start of running them and holding nothing on the way."""
        most = [0]
        for layer in range(start + 1, self.chain.n_layers):
            run = self._held[layer] + (self._held[layer - 1] if layer > start + 1 else 0)
            most.append(max(most[-1], run + self.chain.forward_bytes(layer)))
        return most


def _run(start: int, stop: int, *, drop: bool) -> Iterator[Action]:
    """Run from a_start to a_stop, holding nothing on the way; drop a_start when it has been used, or don't."""
    for layer in range(start + 1, stop + 1):
        yield Forward(layer)
        if layer > start + 1 or drop:
            yield Release(layer - 1)
