"""How finely a chain is searched: at which places checkpoints may be, and in steps of how many bytes. No arrays here.

Chains of up to a hundred layers, and longer ones of a few shapes in a cycle, are searched exactly. Where that would
take too long, checkpoints are kept at fewer places, and bytes are rounded up to a coarser grid.
"""

from functools import cached_property, reduce
from math import gcd

from checkpoint.planning.costs import Cost
from checkpoint.planning.programs.ladder import Ladder, cycle_length, layer_shapes, positions_of
from checkpoint.schedule.chain import Chain

MAX_STEPS = 4_000_000
"""About how many ways to split an interval one dynamic program may weigh: half a second's."""
MAX_STEPS_LONG = 12_000_000
"""The same for chains of more than `LONG_LAYERS` layers."""
LONG_LAYERS = 300
MAX_LEVELS = 640
"""The finest grid of bytes that is searched, if it is exact."""
COARSE_LEVELS = 256
"""The finest one that isn't."""


class Grid:
    """The places and units of bytes for the row blocks `sizes`, for budgets of up to `top_bytes`."""

    def __init__(self, chain: Chain, cost: Cost, sizes: list[int], top_bytes: int) -> None:
        self.chain, self.cost, self.sizes, self.top_bytes = chain, cost, sizes, top_bytes
        self._ladders: dict[int, Ladder] = {}

    def at(self, budget_bytes: int) -> tuple[Ladder, int]:
        """The places and the unit of bytes for a budget; they depend on its power of two alone."""
        top = min(2 ** (budget_bytes - 1).bit_length(), self.top_bytes)
        unit = self._divisor
        if top // unit > MAX_LEVELS:
            while top // unit > COARSE_LEVELS:
                unit *= 2
        return self.places(max(1, top // unit)), unit

    def exact(self, ladder: Ladder, unit: int) -> bool:
        """Whether no schedule of the class is missed there."""
        return ladder.n == self.chain.n_layers and unit == self._divisor

    def places(self, levels: int) -> Ladder:
        """The finest ladder that a program with so many levels can be run on."""
        n_layers = self.chain.n_layers
        most, allowed = n_layers, MAX_STEPS if n_layers <= LONG_LAYERS else MAX_STEPS_LONG
        while True:
            positions = positions_of(self.chain, most=most)
            n = len(positions)
            cycle = cycle_length(self._shapes, positions)
            if n <= 24 or levels * n * (min(cycle, n / 3) + 1) * n / 2 <= allowed:
                break
            most = most * 3 // 4
        if n not in self._ladders:
            self._ladders[n] = Ladder(self.chain, self.cost, positions, self.sizes)
        return self._ladders[n]

    @cached_property
    def _shapes(self) -> list[int]:
        return layer_shapes(self.chain, self.cost, self.sizes)

    @cached_property
    def _divisor(self) -> int:
        layers = range(1, self.chain.n_layers)
        return reduce(gcd, (self.chain.activation_bytes(layer) for layer in layers), 0) or 1
