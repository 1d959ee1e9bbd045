"""The positions at which a plan may put checkpoints, and the intervals between them that are alike.

A dynamic program over intervals of a chain asks the same of two intervals whose layers have the same shapes. In a chain
of equal layers all intervals of one length are alike; in one that cycles through some widths, those that start at the
same place of the cycle. So intervals are told apart by `start_class`, the place in the cycle, and by their length.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import inf
from typing import NamedTuple

from checkpoint.planning.costs import Cost
from checkpoint.planning.programs.evened import nearly_even
from checkpoint.planning.programs.leaves import Leaf, Leaves, blocks_of
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.stretches import Stretch
from checkpoint.strategies.sweeps import sweep_in_row_blocks, there_and_back_in_row_blocks


@dataclass
class Ladder:
    """Positions 0 .. N of a chain: index i stands for the activation a_{positions[i]}; N is the end."""

    chain: Chain
    cost: Cost
    positions: list[int]
    sizes: list[int]
    period: int = field(init=False)
    """Intervals from i and from i + period are alike, but for those that touch position 0 or N."""
    over_segments: bool = field(init=False, default=False)
    """Whether row blocks over several segments are among the leaves."""

    def __post_init__(self) -> None:
        chain, cost = self.chain, self.cost
        layers = range(1, chain.n_layers + 1)
        self.held = [chain.activation_bytes(layer) for layer in self.positions]
        self.errors = [*(chain.error_bytes(layer) for layer in self.positions[:-1]), 0]
        """Of the errors at positions; the last is made from what is held in any case."""
        self._runs = [self._run_costs(rows) for rows in self.sizes]
        self.forward = self._runs[0]
        """Costs of running from the input to each position in the largest blocks."""
        self._more = [[a - b for a, b in zip(costs, self.forward, strict=True)] for costs in self._runs]
        self.prices = [self._least(cost.forward, layer) for layer in layers]
        """The least that running each layer forward costs, from layer 1 on."""
        self._forward = list(accumulate(self.prices, initial=0))
        least = list(accumulate((self._least(cost.backward, layer) for layer in layers), initial=0))
        self._around = [least[layer] for layer in self.positions]
        self.leaves = Leaves(chain, cost, self.sizes, self.positions)
        self.n = len(self.positions) - 1
        self.period = cycle_length(layer_shapes(chain, cost, self.sizes), self.positions)
        self.starts = list(range(1, min(self.period, self.n - 1) + 1))  # one of each class
        self._gaps = [self._runs_between(rows) for rows in self.sizes]
        self._sweeps = {start: self._sweeps_from(start) for start in (0, *self.starts)}
        self.whole_sweeps = {start: found[0] for start, found in self._sweeps.items()}
        self.sweeps = {start: [min(each) for each in zip(*found, strict=True)] for start, found in self._sweeps.items()}
        self.last_leaves = self.leaves.to_end()
        self.inner_leaves = {i: [[], *self.leaves.from_start(i)] for i in (0, *self.starts)}

    def start_of(self, i: int) -> int:
        """The first position whose intervals are like those from i."""
        return i if i == 0 else (i - 1) % self.period + 1

    def leaves_of(self, i: int, j: int) -> list[Leaf]:
        """The leaves of the interval from i to j that no other beats, the cheapest first."""
        return self.last_leaves[i] if j == self.n else self.inner_leaves[self.start_of(i)][j - i]

    def sweep_cost(self, i: int, k: int, free: int | None = None) -> float:
        """The cost of running forward from position i to k in the largest blocks that fit, see `sweep_rows`.

        Without `free`, in the largest there are: a little less than it takes where they do not fit.
        """
        costs = self._runs[0 if free is None else self._fitting(i, k, free)]
        return costs[k] - costs[i]

    def dearer(self, start: int, n: int, free: int) -> list[float]:
        """What runs from position `start` to the 1st .. n-th behind it cost more than they would in the largest blocks.

        Each is in the largest that fit in `free` bytes beside a_start; infinite where none does.
        """
        found: list[float] = [inf] * n
        for needs, more in zip(reversed(self._sweeps[start]), reversed(self._more), strict=True):
            each = zip(needs[1 : n + 1], more[start + 1 : start + n + 1], found, strict=True)
            found = [again - more[start] if need <= free else kept for need, again, kept in each]
        return found

    def floor(self, i: int, j: int) -> float:
        """A cost below which nothing can take the interval from i to j back."""
        top = self.positions[j] - (j < self.n)
        return self._forward[top] - self._forward[self.positions[i]] + self._around[j] - self._around[i]

    def _least(self, run: Callable[[int, int], float], layer: int) -> float:
        """The least cost of a layer in blocks of any of the sizes."""
        blocks = (blocks_of(self.chain.batch_size, rows) for rows in self.sizes)
        return min(sum(count * run(layer, rows) for count, rows in each) for each in blocks)

    def sweep_rows(self, i: int, k: int, free: int) -> int:
        """The largest block of rows that the run from position i to k can be made in within `free` bytes beside a_i."""
        return self.sizes[self._fitting(i, k, free)]

    def sweeps_of(self, i: int, k: int) -> list[tuple[int, float, int]]:
        """The runs from position i to k, the largest blocks first: the bytes beside a_i, the cost, and the rows."""
        needs = (found[k - i] for found in self._sweeps[self.start_of(i)])
        return [
            (need, costs[k] - costs[i], rows) for need, costs, rows in zip(needs, self._runs, self.sizes, strict=True)
        ]

    def leaf(self, i: int, j: int, leaf: Leaf) -> Stretch:
        """A leaf of the interval from i to j."""
        places = [self.positions[place] for place in (i, *(i + step for step in leaf.checkpoints), j)]
        return there_and_back_in_row_blocks(self.chain.n_layers, self.chain.batch_size, places, leaf.rows)

    def sweep(self, i: int, k: int, rows: int) -> Stretch:
        """The run from position i to k in blocks of `rows` rows."""
        return sweep_in_row_blocks(self.chain.batch_size, self.positions[i], self.positions[k], rows)

    def _fitting(self, i: int, k: int, free: int) -> int:
        found = self._sweeps[self.start_of(i)]
        return next(at for at, sweep in enumerate(found) if sweep[k - i] <= free)

    def _run_costs(self, rows: int) -> list[float]:
        """The costs of running from the input to each position in blocks of `rows` rows."""
        blocks, run = blocks_of(self.chain.batch_size, rows), self.cost.forward
        layers = range(1, self.chain.n_layers + 1)
        each = (sum(count * run(layer, size) for count, size in blocks) for layer in layers)
        costs: list[float] = list(accumulate(each, initial=0))
        return [costs[layer] for layer in self.positions]

    def _sweeps_from(self, i: int) -> list[list[int]]:
        """For each block size, for k = i, i + 1, .. N - 1: the most bytes beside a_i of running from position i to k.

        In blocks, a_k is held for the whole mini-batch and all before it for a block. That is exact for three blocks
        or more of one size, and a little too much for fewer, as nothing of a_k is held until the first block is there.
        """
        sweeps = []
        for rows, gaps in zip(self.sizes, self._gaps, strict=True):
            each = [alone for alone, _ in gaps[i : i + 1]] + [beside for _, beside in gaps[i + 1 :]]
            most = list(accumulate((run.most for run in each), max, initial=0))
            if rows == self.chain.batch_size:
                sweeps.append(most)
                continue
            before = map(max, most, (run.before_last for run in each))  # the most of the layers run before the last
            lasts = (max(run.last, bytes_before) for run, bytes_before in zip(each, before, strict=True))
            sweeps.append([0, *map(int.__add__, self.held[i + 1 :], lasts)])
        return sweeps

    def _runs_between(self, rows: int) -> list[tuple["_Run", "_Run"]]:
        """For each gap between positions but the last: a run through it that begins there, and one from before."""
        chain, layers = self.chain, range(self.positions[-2] + 1)
        held = [chain.activation_bytes(layer, rows) for layer in layers]
        alone = [held[0], *(held[layer] + chain.forward_bytes(layer, rows) for layer in layers[1:])]
        beside = [held[0], *map(int.__add__, held, alone[1:])]  # each layer beside its input

        def run(steps: list[int], stop: int) -> _Run:
            return _Run(max(steps), max(steps[:-1], default=0), steps[-1] - held[stop])

        gaps = pairwise(self.positions[:-1])
        return [(run([alone[a + 1], *beside[a + 2 : b + 1]], b), run(beside[a + 1 : b + 1], b)) for a, b in gaps]


class _Run(NamedTuple):
    """The bytes of running from one position to the next: the most, those before the last layer, those beside a_b."""

    most: int
    before_last: int
    last: int


def layer_shapes(chain: Chain, cost: Cost, sizes: list[int]) -> list[int]:
    """A number for each layer 1 .. L, the same for layers of the same bytes and costs; index 0 is none."""
    known: dict[object, int] = {}
    shapes = [-1]
    for layer in range(1, chain.n_layers + 1):
        costs = [run(layer, rows) for rows in sizes for run in (cost.forward, cost.backward)]
        shapes.append(known.setdefault((chain.shape(layer), *costs), len(known)))
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
    """Positions 0 .. L, all of them or, of a longer chain, about `most`.

    These are the narrowest of each run of layers; the first, so that the runs between them are alike, in a chain of
    layers that nearly are.
    """
    n_layers = chain.n_layers
    if n_layers <= most:
        return list(range(n_layers + 1))
    step = -(-(n_layers - 1) // max(1, most - 1))
    runs = [range(first, min(first + step, n_layers)) for first in range(1, n_layers, step)]
    if nearly_even(chain):
        return [0, *(run[0] for run in runs), n_layers]
    return [0, *(min(run, key=lambda layer: chain.widths[layer]) for run in runs), n_layers]
