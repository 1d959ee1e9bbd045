"""Row blocks over several segments: leaves whose blocks keep checkpoints of their own.

A leaf from a_i to a_j takes each block of r rows back with all of its interior held. Here a block keeps some of it, its
checkpoints, on the way to a_j, and takes the segments between them back from the last to the first, each but the last
run again. The gradients of all these segments add up over the blocks, so that is for chains whose gradients are small
beside the activations of a block, as they are where layers are narrow.

Class: once-only within a block, fixed stored set; in three blocks or more. Such a leaf takes, to the byte, a_i and
delta_j for the whole mini-batch, the sums of layers i + 1 to j, and of each block

    T(i, j) = min of  a_{i+1} .. a_{l-1}, delta_l and what B_l works in, the most of i < l <= j     one segment
                      max of  a_k + T(k, j)                                                         a checkpoint a_k
                              the segment from a_i to a_k, with delta_k, and the run to a_k

where delta_j and a_i are not a block's. A block between the first and the last takes the most, as all sums are there.
The fronts of (bytes, cost) of T are found for all intervals, the shorter ones first.

Left out: activations in halves, and chains whose gradients go onto the velocity. There micro-batches hold nothing at
all for the whole mini-batch.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter

from checkpoint.planning.costs import Cost, Flops
from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.leaves import Leaf, Way, blocks_of, undominated


def over_segments(ladder: Ladder, most_bytes: int, *, most_joins: int) -> Ladder | None:
    """The ladder with these leaves of up to `most_bytes` beside its own; None where none are searched.

    For each size of blocks they are searched where no more than `most_joins` checkpoints are to be tried in all
    intervals: in chains that are short, that cycle through a few widths, or whose gradients soon fill the bytes.
    """
    chain = ladder.chain
    if chain.halves or not chain.sum_bytes(1):
        return None
    sizes = [rows for rows in ladder.sizes[1:] if 2 * rows < chain.batch_size]
    if type(ladder.cost) is Flops:
        sizes = sizes[-1:]  # blocks of any size cost the same, and the smallest take the least
    programs = [
        program for program in (_Blocks(ladder, rows, most_bytes) for rows in sizes) if program.joins <= most_joins
    ]
    if not programs:
        return None
    found = copy(ladder)
    found.over_segments = True
    found.last_leaves = list(ladder.last_leaves)
    found.inner_leaves = {start: list(leaves) for start, leaves in ladder.inner_leaves.items()}
    for program in programs:
        program.add_to(found)
    return found


@dataclass(frozen=True, slots=True)
class _AllBlocks:
    """The cost of a layer in all blocks of a mini-batch, whatever rows are asked for."""

    cost: Cost
    blocks: list[tuple[int, int]]

    def forward(self, layer: int, rows: int) -> float:
        return sum(count * self.cost.forward(layer, size) for count, size in self.blocks)

    def backward(self, layer: int, rows: int) -> float:
        return sum(count * self.cost.backward(layer, size) for count, size in self.blocks)


class _Blocks:
    """The program for blocks of `rows` rows."""

    def __init__(self, ladder: Ladder, rows: int, most_bytes: int) -> None:
        chain, self.rows, self.most_bytes = ladder.chain, rows, most_bytes
        layers = range(1, chain.n_layers + 1)
        sums = list(accumulate((chain.sum_bytes(layer) for layer in layers), initial=0))
        self._sums = [sums[layer] for layer in ladder.positions]
        self._lengths = {start: self._most_positions(start, ladder.n - 1) for start in (0, *ladder.starts)}
        self._first = ladder.n - next(n for n in range(ladder.n, -1, -1) if self._room(ladder.n - n, ladder.n) >= 0)
        tried = (*self._lengths.values(), ladder.n - self._first)
        self.joins = sum(n * n // 2 for n in tried)

    def add_to(self, ladder: Ladder) -> None:
        """Put the leaves of several segments among those of `ladder`."""
        chain, rows, layers = ladder.chain, self.rows, range(1, ladder.chain.n_layers + 1)
        cost = _AllBlocks(ladder.cost, blocks_of(chain.batch_size, rows))
        self._ladder, self._block = ladder, Ladder(chain.micro_batch(rows), cost, ladder.positions, [rows])
        self._held = list(accumulate((chain.activation_bytes(layer, rows) for layer in layers), initial=0))
        self._works = [0, *(chain.workspace_bytes(layer, rows) for layer in layers)]
        self._segments = {start: self._segments_from(start) for start in (0, *ladder.starts)}
        self._add_to_end()
        fronts: dict[int, list[list[Way]]] = {start: [[]] for start in ladder.starts}
        lasts = {start: self._at_once(start) for start in (0, *ladder.starts)}
        for length in range(1, max(self._lengths.values()) + 1):
            for start in (0, *ladder.starts):
                if length <= self._lengths[start]:
                    stop = start + length
                    behind = (fronts[ladder.start_of(k)][stop - k] for k in range(start + 1, stop))
                    front = self._front(start, stop, lasts[start][length - 1], behind)
                    if start:
                        fronts[start].append(front)
                    known = ladder.inner_leaves[start][length]
                    ladder.inner_leaves[start][length] = self._among(known, start, stop, front)

    def _add_to_end(self) -> None:
        """The leaves to the end of the chain; those from the input to it are micro-batches, and not among them."""
        ladder, end = self._ladder, self._ladder.n
        behind: list[list[Way]] = []
        most, top = 0, ladder.positions[end]
        for i in range(end - 1, max(self._first, 1) - 1, -1):
            layers = range(ladder.positions[i] + 1, top + 1)
            most, top = max([most, *(self._held[layer] + self._works[layer] for layer in layers)]), layers.start - 1
            last = most - self._held[top], self._block.leaves_of(i, end)[0].cost, 0, None
            behind.insert(0, self._front(i, end, last, behind))
            ladder.last_leaves[i] = self._among(ladder.last_leaves[i], i, end, behind[0])

    def _front(self, i: int, j: int, last: Way, behind: Iterable[Sequence[Way]]) -> list[Way]:
        """The ways from position i to j that no other beats, the one of least bytes first.

        `last` has no checkpoint; `behind` are the ways from position i + 1, i + 2, ... on to j.
        """
        room, held, found = self._room(i, j), self._block.held, [last]
        segments = self._segments[self._ladder.start_of(i)]
        for step, (ways, (need, price)) in enumerate(zip(behind, segments, strict=False), 1):
            if need > room:
                continue
            beside = held[i + step]
            within = bisect_right(ways, need - beside, key=itemgetter(0))
            if within:  # of those that need no more than the segment, the cheapest
                found.append((need, price + ways[within - 1][1], step, ways[within - 1]))
            found += [(beside + way[0], price + way[1], step, way) for way in ways[within:]]
        found.sort(key=itemgetter(0, 1))
        front: list[Way] = []
        for way in found:
            if way[0] > room:
                break
            if not front or way[1] < front[-1][1]:
                front.append(way)
        return front

    def _among(self, known: list[Leaf], i: int, j: int, front: list[Way]) -> list[Leaf]:
        """The leaves that are known, and those of `front` that have checkpoints, without those that others beat."""
        ladder = self._ladder
        beside = ladder.held[i] + ladder.errors[j] + self._sums[j] - self._sums[i]
        new = [Leaf(beside + way[0], way[1], self.rows, way) for way in front if way[2]]
        return undominated([*known, *new]) if new else known

    def _segments_from(self, start: int) -> list[tuple[int, float]]:
        """For each position behind `start`, the segment to it with the run there: bytes without a_start, and cost."""
        block = self._block
        at = block.start_of(start)
        found = []
        for stop in range(start + 1, block.n):
            (leaf,) = block.leaves_of(start, stop)
            need = max(leaf.need_bytes - block.held[start], block.whole_sweeps[at][stop - start])
            found.append((need, leaf.cost + block.sweep_cost(start, stop)))
        return found

    def _at_once(self, start: int) -> list[Way]:
        """For each position behind `start` but the last one, the way to it without a checkpoint."""
        block, positions = self._block, self._ladder.positions
        held, works, most = self._held, self._works, 0
        before = positions[start]
        found: list[Way] = []
        for stop in range(start + 1, block.n):
            j = positions[stop]
            most = max([most, *(held[layer] + works[layer] for layer in range(before + 1, j))])
            need = max(most, held[j - 1] + works[j]) - held[positions[start]]
            found.append((need, block.leaves_of(start, stop)[0].cost, 0, None))
            most, before = max(most, held[j] + works[j]), j
        return found

    def _room(self, i: int, j: int) -> int:
        """The bytes beside the sums of the layers from position i to j."""
        return self.most_bytes - (self._sums[j] - self._sums[i])

    def _most_positions(self, start: int, last: int) -> int:
        """How many positions behind `start`, up to the last one, the sums are within the bytes."""
        return next(n for n in range(last - start, -1, -1) if self._room(start, start + n) >= 0)
