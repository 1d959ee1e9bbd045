"""The ways to take one segment back whose checkpoint is kept or offloaded, and what each needs and costs.

Beside it the checkpoint of the segment before may be fetched: as early as the bytes allow, which hides the most of the
copy. Places are those of a `Ladder`. Nothing is chosen here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from checkpoint.planning.costs import Cost
from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.leaves import Leaf


@dataclass(frozen=True, slots=True)
class Way:
    """A way to take a segment back: what it and the run before it need and cost, and when it fetches a checkpoint.

    `runs` is the part of the cost that the run before it is.
    """

    need_bytes: int
    cost: float
    leaf: Leaf
    fetch_before: int
    runs: float


class SegmentWays:
    """The segments between the places of `ladder`. `copy_cost(n)` is the cost of copying n bytes one way."""

    def __init__(self, ladder: Ladder, cost: Cost, copy_cost: Callable[[int], float], *, overlapped: bool) -> None:
        chain, places = ladder.chain, ladder.positions[1:-1]
        self.ladder, self.overlapped = ladder, overlapped
        self.widths = [0, *(chain.widths[place] for place in places), 0]
        """Of the checkpoints by place; 0 for the input, which is on no way."""
        self.bytes_of = {0: 0} | {chain.widths[place]: chain.activation_bytes(place) for place in places}
        self._copy = {0: 0.0} | {chain.widths[place]: copy_cost(chain.host_bytes(place)) for place in places}
        layers, rows = range(1, chain.n_layers + 1), chain.batch_size
        self._backward = list(accumulate((cost.backward(layer, rows) for layer in layers), initial=0.0))
        self._sums = list(accumulate((chain.activation_bytes(layer) for layer in layers), initial=0))
        works = (chain.kept_bytes(k) + chain.workspace_bytes(k) + chain.kept_bytes(k - 1) for k in layers)
        self._works = [0, *works]
        """The bytes of each layer's backward step beside the activations up to it."""

    def fetched_before(self, i: int) -> set[int]:
        """The widths that may be fetched in a segment from place i; 0 where the checkpoint before it is not away."""
        return {0, *self.widths[1:i]}

    def intervals(self, i: int, most_bytes: float = inf) -> Iterator[tuple[int, list[Way]]]:
        """The intervals from place i on to k, with the ways to take each back that fetch nothing, least need last.

        Those that need more than `most_bytes` are left out. Whole mini-batches of more layers never need less.
        """
        ladder, start = self.ladder, self.ladder.positions[i]
        for k in range(i + 1, ladder.n + 1):
            runs: list[tuple[int, float]] = [(0, 0.0)]
            if k < ladder.n:
                runs = [(ladder.held[i] + need, cost) for need, cost, _ in ladder.sweeps_of(i, k)]
                runs = [run for run in runs if not any(a < run[0] and b <= run[1] for a, b in runs)]
            ways = [
                Way(max(leaf.need_bytes, need), leaf.cost + cost, leaf, start, cost)
                for leaf in ladder.leaves_of(i, k)
                for need, cost in runs
            ]
            ways.sort(key=lambda way: -way.need_bytes)
            if ways[-1].need_bytes <= most_bytes:
                yield k, ways
            elif len(ladder.sizes) == 1:
                return

    def fetching(self, i: int, k: int, width: int, ways: list[Way]) -> list[Way]:
        """The ways from place i to k that fetch a checkpoint of this width too: least need first, then less cost."""
        if not width:
            return _sorted(ways)
        ladder, size, copy = self.ladder, self.bytes_of[width], self._copy[width]
        start, stop = ladder.positions[i], ladder.positions[k]
        found = []
        for way in ways:
            after = max(way.need_bytes, ladder.errors[i] + size)
            found.append(Way(after, way.cost + copy, way.leaf, start, way.runs))
            if not self.overlapped:
                continue
            before = max(way.need_bytes, way.leaf.need_bytes + size)
            found.append(Way(before, way.cost + max(0.0, copy - (way.cost - way.runs)), way.leaf, stop, way.runs))
            if way.leaf.rows < ladder.chain.batch_size:
                continue
            peak, below = 0, self._sums[start] - ladder.held[i]
            for layer in range(start + 1, stop):
                peak = max(peak, self._sums[layer] - below + self._works[layer])
                hidden = self._backward[layer] - self._backward[start]
                need = max(way.need_bytes, peak + size)
                found.append(Way(need, way.cost + max(0.0, copy - hidden), way.leaf, layer, way.runs))
                if hidden >= copy:
                    break
        return _sorted(found)

    def late(self, i: int, k: int) -> float:
        """What is not hidden of the copy of the checkpoint at place i while the run to k, in the largest blocks, is on.

        Runs in smaller blocks may take longer and hide more.
        """
        copy = self._copy[self.widths[i]]
        return max(0.0, copy - self.ladder.sweep_cost(i, k)) if self.overlapped else copy


def _sorted(ways: list[Way]) -> list[Way]:
    """Those ways that no other of less need and no more cost beats: least need first, each cheaper than the last."""
    kept: list[Way] = []
    for way in sorted(ways, key=lambda way: (way.need_bytes, way.cost, -way.leaf.rows)):
        if not kept or way.cost < kept[-1].cost:
            kept.append(way)
    return kept
