"""The cheapest schedule in segments whose checkpoints are kept or offloaded, under a budget.

Class: once-only segments, each checkpoint kept or offloaded, with row blocks inside segments where the ladder has them;
`checkpoint.strategies.offloaded` says what they are. With m bytes left, those of the kept checkpoints before a_i not
counted in them, and the checkpoint before it to be fetched (w wide; 0 where it is kept or the input), the chain from
a_i on costs

    cost(i, w, m) = min of  last(i, w, m)
                            sweep(i, k) + back(i, k, w, m) + cost(k, 0, m - a_i)             a_i kept
                            sweep(i, k) + back(i, k, w, m) + cost(k, w_i, m) + late(i, k)    a_i offloaded

over the next checkpoint a_k. `back` is a leaf that fits beside the fetch, and that part of the fetch which nothing
hides: it is begun as early in the segment as fits, which hides the most of it; `late` is the part of the copy out that
the sweep does not hide. The input takes no bytes and is not copied. Of the checkpoint to be fetched only the bytes
matter, so the recurrence is exact where m is: a grid of the common divisor of the checkpoints' bytes. A coarser one
rounds up those that are kept, and is exact for schedules that keep none. No arrays here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, reduce
from math import gcd, inf

from checkpoint.planning.costs import Cost
from checkpoint.planning.programs.ladder import Ladder, positions_of
from checkpoint.planning.programs.segment_ways import SegmentWays, Way
from checkpoint.schedule.actions import Action
from checkpoint.schedule.chain import Chain
from checkpoint.strategies.offloaded import ALL_ROWS, Segment, offloaded_actions

MOST_PLACES = 600
"""The most places for checkpoints in whole mini-batches; the program grows with its square."""
MOST_PLACES_IN_BLOCKS = 140
"""And where segments may work in row blocks, each of which is looked at."""
MAX_STEPS = 8_000_000
"""About how many levels of intervals are weighed: half a second's on a core of 2025."""
MAX_LEVELS = 640


@dataclass(frozen=True, slots=True)
class OffloadedPlan:
    """What the program found: the `cost` of a whole step, and its segments."""

    cost: float
    segments: tuple[Segment, ...]


class OffloadedCheckpoints:
    """The program. `copy_cost(n)` is the cost of copying n bytes one way; blocks have the `sizes`, largest first."""

    def __init__(
        self,
        chain: Chain,
        cost: Cost,
        copy_cost: Callable[[int], float],
        *,
        overlapped: bool = True,
        sizes: list[int] | None = None,
    ) -> None:
        sizes = sizes or [chain.batch_size]
        most = MOST_PLACES if len(sizes) == 1 else MOST_PLACES_IN_BLOCKS
        self.chain, self.cost = chain, cost
        ladder = Ladder(chain, cost, positions_of(chain, most=most), sizes)
        self._ways = SegmentWays(ladder, cost, copy_cost, overlapped=overlapped)
        self._ladder, self._unit = ladder, reduce(gcd, ladder.held[1:-1], 0) or 1

    @cached_property
    def smallest_peak_bytes(self) -> int:
        """The smallest peak of the class: to keep a checkpoint never takes less than to offload it."""
        ladder, ways = self._ladder, self._ways
        least: dict[tuple[int, int], float] = {}
        for i in range(ladder.n - 1, -1, -1):
            best = dict.fromkeys(ways.fetched_before(i), inf)
            for k, base in ways.intervals(i):
                if len(ladder.sizes) == 1 and base[-1].need_bytes >= max(best.values()):
                    break
                behind = least[k, ways.widths[i]] if k < ladder.n else 0
                for width in best:
                    need = max(base[-1].need_bytes, ladder.errors[i] + ways.bytes_of[width], behind)
                    best[width] = min(best[width], need)
            least |= {(i, width): need for width, need in best.items()}
        return int(least[0, 0])

    def best(self, budget_bytes: int) -> OffloadedPlan | None:
        """The cheapest schedule of the class within the budget, of equals one that keeps more; None if none is."""
        table = _Table(self._ways, budget_bytes, *self._levels_within(budget_bytes))
        return None if table.cost == inf else OffloadedPlan(table.cost, tuple(table.segments()))

    def is_exact(self, budget_bytes: int) -> bool:
        """Whether no schedule of the class is missed, as all places and bytes are looked at."""
        return self._ladder.n == self.chain.n_layers and self._levels_within(budget_bytes)[1] == self._unit

    def actions(self, plan: OffloadedPlan) -> Iterator[Action]:
        """The schedule's actions."""
        return offloaded_actions(self.chain.n_layers, self.chain.batch_size, plan.segments)

    def _levels_within(self, budget_bytes: int) -> tuple[int, int]:
        """The levels of bytes for a budget, and the bytes from one to the next."""
        exact = max(1, budget_bytes // self._unit)
        intervals = self._ladder.n**2 // 2 * len(self._ways.bytes_of)
        levels = max(1, min(exact, MAX_LEVELS, MAX_STEPS // max(1, intervals)))
        return levels, self._unit if levels == exact else -(-budget_bytes // levels)


@dataclass
class _Table:
    """The costs within one budget: `costs[i, w][level]` of the chain from place i on, see above.

    At the highest level the whole budget is left, at each one below it `unit` bytes less.
    """

    ways: SegmentWays
    budget_bytes: int
    levels: int
    unit: int
    costs: dict[tuple[int, int], list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ways = self.ways
        self._units = [-(-held // self.unit) for held in ways.ladder.held]
        for i in range(ways.ladder.n - 1, -1, -1):
            best = {width: [inf] * (self.levels + 1) for width in ways.fetched_before(i)}
            for k, base in ways.intervals(i, self.budget_bytes):
                rest = self._rest(i, k)
                for width, costs in best.items():
                    self._improve(costs, ways.fetching(i, k, width, base), rest)
            self.costs |= {(i, width): costs for width, costs in best.items()}
        self.cost = self.costs[0, 0][self.levels]

    def segments(self) -> Iterator[Segment]:
        """The segments of the cheapest schedule; there is one only where `cost` is finite."""
        ladder = self.ways.ladder
        i, width, level = 0, 0, self.levels
        while i < ladder.n:
            k, way, away = self._choice(i, width, level)
            start, stop = ladder.positions[i], ladder.positions[k]
            rows, free = ALL_ROWS, self._bytes_at(level) - ladder.held[i]
            if k < ladder.n:
                rows = next(rows for need, cost, rows in ladder.sweeps_of(i, k) if need <= free and cost <= way.runs)
            yield Segment(start, stop, away, way.fetch_before, rows, way.leaf.rows)
            width = self.ways.widths[i] if away else 0
            level -= 0 if away else self._units[i]
            i = k

    def _bytes_at(self, level: int) -> int:
        return self.budget_bytes - (self.levels - level) * self.unit

    def _level_of(self, need_bytes: int) -> int:
        """The lowest level at which so many bytes are left."""
        return max(0, self.levels - (self.budget_bytes - need_bytes) // self.unit)

    def _rest(self, i: int, k: int) -> list[float]:
        """At each level, the cost of the chain behind place k with the checkpoint at i kept or offloaded."""
        if k == self.ways.ladder.n:
            return [0.0] * (self.levels + 1)
        units = min(self._units[i], self.levels + 1)
        kept = [inf] * units + self.costs[k, 0][: self.levels + 1 - units]
        if i == 0:
            return kept
        late = self.ways.late(i, k)
        return [min(a, b + late) for a, b in zip(kept, self.costs[k, self.ways.widths[i]], strict=True)]

    def _improve(self, costs: list[float], ways: list[Way], rest: list[float]) -> None:
        """Take what these ways, with what is behind them, cost where that is less."""
        end = self.levels + 1
        for way in reversed(ways):
            first = self._level_of(way.need_bytes)
            if first < end:
                own = way.cost
                costs[first:end] = [min(a, own + b) for a, b in zip(costs[first:end], rest[first:end], strict=True)]
                end = first

    def _choice(self, i: int, width: int, level: int) -> tuple[int, Way, bool]:
        """Where the segment from place i ends, how it goes back, and whether its checkpoint is offloaded."""
        ways, wanted = self.ways, self.costs[i, width][level]
        for away in (False, True):
            for k, base in ways.intervals(i, self._bytes_at(level)):
                if away and (i == 0 or k == ways.ladder.n):
                    continue
                rest = self._behind(i, k, level, away=away)
                for way in ways.fetching(i, k, width, base):
                    if self._level_of(way.need_bytes) <= level and way.cost + rest == wanted:
                        return k, way, away
        raise AssertionError("a place is only looked at where it has a cost")

    def _behind(self, i: int, k: int, level: int, *, away: bool) -> float:
        if k == self.ways.ladder.n:
            return 0.0
        if away:
            return self.costs[k, self.ways.widths[i]][level] + self.ways.late(i, k)
        return self.costs[k, 0][level - self._units[i]] if level >= self._units[i] else inf
