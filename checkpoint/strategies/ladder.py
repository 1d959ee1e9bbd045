"""The positions at which a plan may put checkpoints, and the intervals between them that are alike.

A dynamic program over intervals of a chain asks the same of two intervals whose layers have the same shapes. In a chain
of equal layers all intervals of one length are alike; in one that cycles through some widths, those that start at the
same place of the cycle. So intervals are told apart by `start_class`, the place in the cycle, and by their length.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from checkpoint.chain import Chain
from checkpoint.costs import Cost
from checkpoint.strategies.leaves import Leaf, Leaves


@dataclass
class Ladder:
    """Positions 0 .. N of a chain: index i stands for the activation a_{positions[i]}; N is the end."""

    chain: Chain
    cost: Cost
    positions: list[int]
    sizes: list[int]
    period: int = field(init=False)
    """Intervals from i and from i + period are alike, but for those that touch position 0 or N."""

    def __post_init__(self) -> None:
        chain, cost, batch = self.chain, self.cost, self.chain.batch_size
        layers = range(1, chain.n_layers + 1)
        self.held = [chain.activation_bytes(layer) for layer in self.positions]
        forward = list(accumulate((cost.forward(layer, batch) for layer in layers), initial=0))
        self.forward = [forward[layer] for layer in self.positions]
        self._forward = list(accumulate((self._least(cost.forward, layer) for layer in layers), initial=0))
        least = list(accumulate((self._least(cost.backward, layer) for layer in layers), initial=0))
        self._around = [least[layer] for layer in self.positions]
        self.leaves = Leaves(chain, cost, self.sizes)
        self.n = len(self.positions) - 1
        self.period = cycle_length(layer_shapes(chain, cost, self.sizes), self.positions)
        self.starts = list(range(1, min(self.period, self.n - 1) + 1))  # one of each class
        activations = [chain.activation_bytes(layer) for layer in range(chain.n_layers + 1)]
        self.sweeps = {start: self._sweep(start, activations) for start in (0, *self.starts)}
        self.last_leaves = self.leaves.to_end(self.positions[:-1])
        self.inner_leaves: dict[int, list[list[Leaf]]] = {}
        for i in (0, *self.starts):
            stops = self.positions[i + 1 : -1]
            found = self.leaves.from_start(self.positions[i], stops) if stops else {}
            self.inner_leaves[i] = [[], *(found[stop] for stop in stops)]

    def start_of(self, i: int) -> int:
        """The first position whose intervals are like those from i."""
        return i if i == 0 else (i - 1) % self.period + 1

    def sweep_cost(self, i: int, k: int) -> float:
        """The cost of running forward from position i to k."""
        return self.forward[k] - self.forward[i]

    def floor(self, i: int, j: int) -> float:
        """A cost below which nothing can take the interval from i to j back."""
        top = self.positions[j] - (j < self.n)
        return self._forward[top] - self._forward[self.positions[i]] + self._around[j] - self._around[i]

    def _least(self, run: Callable[[int, int], float], layer: int) -> float:
        batch = self.chain.batch_size
        blocks = ((rows, *divmod(batch, rows)) for rows in self.sizes)
        return min(full * run(layer, rows) + (run(layer, rest) if rest else 0) for rows, full, rest in blocks)

    def _sweep(self, i: int, activations: list[int]) -> list[int]:
        """For k = i, i + 1, .. N - 1: the most bytes beside a_i of running from position i to k; it never falls."""
        most, found = 0, [0]
        start = self.positions[i]
        for a, b in pairwise(self.positions[i:-1]):
            for layer in range(a + 1, b + 1):
                most = max(most, activations[layer] + (activations[layer - 1] if layer > start + 1 else 0))
            found.append(most)
        return found


def layer_shapes(chain: Chain, cost: Cost, sizes: list[int]) -> list[int]:
    """A number for each layer 1 .. L, the same for layers of the same bytes and costs; index 0 is none."""
    known: dict[object, int] = {}
    shapes = [-1]
    for layer in range(1, chain.n_layers + 1):
        costs = [run(layer, rows) for rows in sizes for run in (cost.forward, cost.backward)]
        shapes.append(known.setdefault((chain.widths[layer - 1], chain.widths[layer], *costs), len(known)))
    return shapes


def cycle_length(shapes: list[int], positions: list[int]) -> int:
    """The length of the cycle of `layer_shapes` between position 1 and N - 1; N - 2 where there is none."""
    gaps = [tuple(shapes[a + 1 : b + 1]) for a, b in pairwise(positions)][1:-1]
    border = [0] * (len(gaps) + 1)  # the longest border of each prefix, as Knuth, Morris and Pratt find it
    length = 0
    for index in range(1, len(gaps)):
        while length and gaps[index] != gaps[length]:
            length = border[length]
        length += gaps[index] == gaps[length]
        border[index + 1] = length
    return max(1, len(gaps) - border[-1])


def positions_of(chain: Chain, *, most: int) -> list[int]:
    """Positions 0 .. L, all of them or, of a longer chain, about `most`: the narrowest of each run of layers."""
    n_layers = chain.n_layers
    if n_layers <= most:
        return list(range(n_layers + 1))
    step = -(-(n_layers - 1) // max(1, most - 1))
    runs = [range(first, min(first + step, n_layers)) for first in range(1, n_layers, step)]
    return [0, *(min(run, key=lambda layer: chain.widths[layer]) for run in runs), n_layers]
