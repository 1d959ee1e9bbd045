"""How finely a chain is searched: at which places checkpoints may be, and in steps of how many bytes. No arrays here.

Short chains, and longer ones of a few shapes in a cycle, are searched exactly: every place, in steps of the common
divisor of the activations' bytes. Where that would take too long, `checkpoint.planning.programs.guided` plans on
estimates: at some places with many levels of bytes and, where few bytes make the places matter, at more places with
fewer levels. Layers that are nearly equal are taken to be equal there, which makes more places and levels affordable.
"""

from collections.abc import Iterator
from functools import cached_property, reduce
from math import gcd

from checkpoint.planning.costs import Cost
from checkpoint.planning.programs.block_segments import over_segments
from checkpoint.planning.programs.evened import evened, nearly_even
from checkpoint.planning.programs.guided import Estimates, Guided
from checkpoint.planning.programs.ladder import Ladder, cycle_length, layer_shapes, positions_of
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.schedule.chain import Chain

MAX_STEPS = 4_000_000
"""About how many ways to split an interval an exact program may weigh: 0.3 seconds' on a core of 2025."""
MAX_STEPS_LONG = 12_000_000
"""The same for chains of more than `LONG_LAYERS` layers."""
LONG_LAYERS = 300
MAX_JOINS, MAX_JOINS_GUIDED = 8_000, 3_000
"""The most checkpoints in row blocks over several segments that are tried; of blocks of one size, 0.1 seconds' work."""
MAX_LEVELS = 640
"""The finest grid of bytes that is searched."""
SMALLEST_LEVELS = 8
"""The smallest peak is searched with the places that a program of this number of levels has."""

FEW_PLACES, MANY_LEVELS, FEW_LEVELS = 60, 128, 32
"""Estimates are made at few places with many levels, and at all of them, or about 140, with few levels."""
EVEN_LEVELS = 64
"""About how many levels there are where layers are taken to be equal: steps of a part of one's bytes, or of several."""
EVEN_SCARCE = 0.3
"""Where the smallest peak is more of the budget than that, they are worth estimates of their own too, at all layers."""
SCARCE = 0.45
"""Where the smallest peak at few places is more of the budget than that, more places are tried."""
NARROW = 0.9
"""Where the smallest peak of leaves of one segment is more of the budget than that, they are tried alone as well."""
SPARED = (1, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.92, 0.9, 0.875, 0.85, 0.825, 0.8)
"""The parts of the budget that a guided plan is made for; the cheapest is taken, as estimates aren't exact."""


class Grid:
    """The places and units of bytes for the row blocks `sizes`, for budgets of up to `top_bytes`."""

    def __init__(self, chain: Chain, cost: Cost, sizes: list[int], top_bytes: int) -> None:
        self.chain, self.cost, self.sizes, self.top_bytes = chain, cost, sizes, top_bytes
        self._ladders: dict[int, Ladder] = {}
        self._smallest: dict[tuple[int, int, int], SmallestPeak] = {}
        self._estimates: dict[tuple[int, int, int, bool], Estimates] = {}

    def exact(self, budget_bytes: int) -> Persistent | None:
        """The program at all places in which no schedule of the class is missed; None where that would take too long.

        Whether it would depends on the budget's power of two alone.
        """
        top = min(2 ** (budget_bytes - 1).bit_length(), self.top_bytes)
        levels = max(1, top // self.unit)
        if levels > MAX_LEVELS:
            return None
        ladder = self._places(levels, MAX_STEPS if self.chain.n_layers <= LONG_LAYERS else MAX_STEPS_LONG)
        if ladder.n < self.chain.n_layers:
            return None
        smallest = self._within(ladder, self._above(budget_bytes), MAX_JOINS)
        return Persistent(smallest.ladder, budget_bytes, self.unit, smallest)

    def guided(self, budget_bytes: int) -> Iterator[Guided]:
        """The plans on estimates for a budget; none where it is below the smallest peak."""
        for smallest, levels in self._tables(budget_bytes):
            if smallest.peak_bytes <= budget_bytes:
                estimates = self._estimated(smallest, budget_bytes, levels)
                yield from (Guided(smallest, estimates, int(budget_bytes * part)) for part in SPARED)

    def _tables(self, budget_bytes: int) -> Iterator[tuple[SmallestPeak, int]]:
        """The leaves and places that are worth estimates, and the levels of bytes for each."""
        whole = self._within(self.places)
        even = whole.ladder.n > FEW_PLACES and nearly_even(self.chain)
        if even:
            yield whole, EVEN_LEVELS
        for plain, levels in self._own_tables(whole, budget_bytes, even=even):
            wider = self._within(plain.ladder, self._above(budget_bytes), MAX_JOINS_GUIDED)
            yield wider, levels
            if wider.ladder.over_segments and NARROW * budget_bytes < plain.peak_bytes:
                yield plain, levels

    def _own_tables(self, whole: SmallestPeak, budget_bytes: int, *, even: bool) -> list[tuple[SmallestPeak, int]]:
        """The places that are worth estimates of the layers as they are, with leaves of one segment."""
        if even:
            all_layers = whole.ladder.n == self.chain.n_layers
            return [(whole, FEW_LEVELS)] if all_layers and whole.peak_bytes > EVEN_SCARCE * budget_bytes else []
        few = self._within(self._at_places(FEW_PLACES))
        tables = [(few, MANY_LEVELS)] if few.ladder.n < whole.ladder.n else []
        if few.peak_bytes > SCARCE * budget_bytes or not tables:
            tables.append((whole, MANY_LEVELS if whole.ladder.n <= FEW_PLACES else FEW_LEVELS))
        return tables

    @cached_property
    def smallest(self) -> SmallestPeak:
        """The program of the smallest peak at all `places`."""
        found = self._within(self.places)
        return self._within(found.ladder, found.peak_bytes, MAX_JOINS)

    def _places(self, levels: int, allowed: int) -> Ladder:
        """The finest ladder that a program with `levels` levels can be run on within `allowed` steps."""
        most = self.chain.n_layers
        while True:
            positions = positions_of(self.chain, most=most)
            n = len(positions)
            cycle = cycle_length(self._shapes, positions)
            if n <= 24 or levels * n * (min(cycle, n / 3) + 1) * n / 2 <= allowed:
                return self._at_places(most)
            most = most * 3 // 4

    @property
    def places(self) -> Ladder:
        """All places, or about 140 where there are many unlike layers."""
        return self._places(SMALLEST_LEVELS, MAX_STEPS)

    def _within(self, ladder: Ladder, most_bytes: int = 0, most_joins: int = 0) -> SmallestPeak:
        """The smallest peak at the places of `ladder`, with row blocks over several segments of up to `most_bytes`.

        Its ladder has these leaves, where there are such.
        """
        at = ladder.n, most_bytes, most_joins
        if at not in self._smallest:
            wider = over_segments(ladder, most_bytes, most_joins=most_joins) if most_joins else None
            self._smallest[at] = SmallestPeak(wider or ladder)
        return self._smallest[at]

    def _above(self, budget_bytes: int) -> int:
        """The budget or a little more, so that what is found for it serves several budgets."""
        step = 1 << max(0, budget_bytes.bit_length() - 3)
        return min(-(-budget_bytes // step) * step, self.top_bytes)

    @cached_property
    def unit(self) -> int:
        """The unit of bytes in which kept activations are whole numbers."""
        layers = range(1, self.chain.n_layers)
        return reduce(gcd, (self.chain.activation_bytes(layer) for layer in layers), 0) or 1

    def _at_places(self, most: int) -> Ladder:
        positions = positions_of(self.chain, most=most)
        n = len(positions) - 1
        if n not in self._ladders:
            self._ladders[n] = Ladder(self.chain, self.cost, positions, self.sizes)
        return self._ladders[n]

    def _estimated(self, smallest: SmallestPeak, budget_bytes: int, levels: int) -> Estimates:
        """Estimates up to the budget or a little more."""
        ladder, top = smallest.ladder, self._above(budget_bytes)
        at = ladder.n, top, levels, ladder.over_segments
        if at not in self._estimates:
            unit = max(1, top // levels)
            if levels == EVEN_LEVELS:
                smallest = self._even
                held = smallest.ladder.held[1]
                unit = max(1, held // round(held / unit)) if held > unit else held * round(unit / held)
            self._estimates[at] = Estimates(smallest.ladder, top, unit, smallest)
        return self._estimates[at]

    @cached_property
    def _even(self) -> SmallestPeak:
        """That of the chain with equal layers, at as many places."""
        chain, cost = evened(self.chain, self.cost)
        return SmallestPeak(Ladder(chain, cost, self.places.positions, self.sizes))

    @cached_property
    def _shapes(self) -> list[int]:
        return layer_shapes(self.chain, self.cost, self.sizes)
