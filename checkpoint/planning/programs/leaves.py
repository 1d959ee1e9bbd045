"""Leaves: segments whose interior is held at once, for the whole mini-batch or for a row block at a time.

The segment from a_i to a_j begins with a_i held and, unless it is the last segment of the chain, the error delta_j.
Its interior, the activations between them, runs forward from a_i, and the error goes back to a_i. In row blocks, the
interior is held for some rows only, and the gradients of the segment's layers add up over the blocks. The actions are
those of `checkpoint.strategies.sweeps.there_and_back`.

What a leaf needs, a_i included, to the byte. At the backward step B_l of a block of r rows, i < l <= j, it holds

    I_r(l) = the rows of a_{i+1} .. a_{l-1}, those of delta_l, and what the step works in;

for l = j < L without delta_j, which is held for the whole mini-batch: D bytes, none where j = L. With G(l..m) for the
gradients of layers l to m,

    whole mini-batch   a_i + D + I(j)  and  a_i + max I(l), l < j                 delta_j goes at B_j
                       a_i + D + max (a_{i+1} .. a_l and what F_l works in)       on the way forward
    first block        a_i + D + max (I_r(l) + G(l..j))                           the sums appear one by one
    blocks between     a_i + D + max I_r(l) + G(i+1..j)                           if there are three blocks or more
    last block         a_i + D + I_r(j) + G(i+1..j)                               delta_j goes first, then
                       a_i + max (I_r(l) + G(i+1..l)), l < j                      the sums go one by one

where the last block may have fewer rows. In chains that are not an MLP's, what stays of an activation beside its error
counts as part of the error, and the growth of a_{l-1} to its error as part of what B_l works in.

Where activations are kept in halves the same holds. In row blocks the whole error of a_i is beside it from the first
block on, and a block runs forward in arrays apart: counted in full beside all else, which is a little too much.
Nothing is chosen here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from checkpoint.planning.costs import Cost
from checkpoint.schedule.chain import Chain

Way = tuple[int, float, int, "Way | None"]
"""Of a block over several segments: bytes, cost, how many positions on the first checkpoint is, and the way from there.

Without one, the last two are 0 and None.
"""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf takes: `need_bytes` with a_i and delta_j counted, `cost` of all its actions, `rows` of a block.

    `way`: how each block goes through several segments, see `checkpoint.planning.programs.block_segments`; None where
    its interior is held at once.
    """

    need_bytes: int
    cost: float
    rows: int
    way: Way | None = None

    @property
    def checkpoints(self) -> Iterator[int]:
        """How many positions behind the start of the leaf its blocks keep checkpoints."""
        way, step = self.way, 0
        while way is not None and way[2]:
            step += way[2]
            yield step
            way = way[3]


def blocks_of(batch_size: int, rows: int) -> list[tuple[int, int]]:
    """How many blocks there are of which number of rows, where blocks have `rows` rows and the last may have fewer.

    >>> blocks_of(10, 4), blocks_of(8, 4), blocks_of(8, 100)
    ([(2, 4), (1, 2)], [(2, 4)], [(1, 8)])
    """
    full, rest = divmod(batch_size, min(rows, batch_size))
    return [(full, min(rows, batch_size)), *([(1, rest)] if rest else [])]


def _number_and_last(batch_size: int, rows: int) -> tuple[int, int]:
    """The number of blocks, and the rows of the last one."""
    blocks = blocks_of(batch_size, rows)
    return sum(count for count, _ in blocks), blocks[-1][1]


class _Table:
    """The bytes and costs of every layer for one number of rows; index l is layer l, index 0 the input."""

    def __init__(self, chain: Chain, cost: Cost, rows: int) -> None:
        def sums(values: Callable[[int, int], float]) -> list[float]:
            return list(accumulate((values(layer, rows) for layer in layers), initial=0))

        layers = range(1, chain.n_layers + 1)
        self.held = list(accumulate((chain.activation_bytes(layer, rows) for layer in layers), initial=0))
        self.workspace = [
            0,
            *(chain.workspace_bytes(layer, rows) + chain.kept_bytes(layer - 1, rows) for layer in layers),
        ]
        self.kept = [chain.kept_bytes(layer, rows) for layer in range(chain.n_layers + 1)]
        self.running = [0, *(chain.forward_bytes(layer, rows) for layer in layers)]
        self.forward, self.backward = sums(cost.forward), sums(cost.backward)


class Leaves:
    """The leaves of a chain for the row blocks `sizes`, largest first."""

    def __init__(self, chain: Chain, cost: Cost, sizes: list[int]) -> None:
        self._chain, self._cost, self._sizes = chain, cost, sizes
        self._tables: dict[int, _Table] = {}
        layers = range(1, chain.n_layers + 1)
        self._gradients = list(accumulate((chain.sum_bytes(layer) for layer in layers), initial=0))
        self._activation = [chain.activation_bytes(layer) for layer in range(chain.n_layers + 1)]
        self._error = [chain.error_bytes(layer) for layer in range(chain.n_layers + 1)]
        self._apart = [self._error[layer] if chain.is_half(layer) else 0 for layer in range(chain.n_layers + 1)]

    def from_start(self, start: int, stops: Sequence[int]) -> list[list[Leaf]]:
        """For each of `stops`, ascending and below L, the leaves from a_start that no other beats, cheapest first."""
        found: list[list[Leaf]] = [[] for _ in stops]
        for rows in self._sizes:
            needs = self._needs(start, stops[-1], rows)
            for leaves, stop in zip(found, stops, strict=True):
                leaves.append(Leaf(needs[stop - start - 1], self._leaf_cost(start, stop, rows), rows))
        return [undominated(leaves) for leaves in found]

    def to_end(self, starts: Sequence[int]) -> list[list[Leaf]]:
        """For each of `starts`, the leaves from it to the end of the chain that no other beats, cheapest first."""
        found: list[list[Leaf]] = [[] for _ in starts]
        for rows in self._sizes:
            needs = self._needs_to_end(rows)
            for leaves, start in zip(found, starts, strict=True):
                leaves.append(Leaf(needs[start], self._leaf_cost(start, self._chain.n_layers, rows), rows))
        return [undominated(leaves) for leaves in found]

    def _table(self, rows: int) -> _Table:
        if rows not in self._tables:
            self._tables[rows] = _Table(self._chain, self._cost, rows)
        return self._tables[rows]

    def _leaf_cost(self, start: int, stop: int, rows: int) -> float:
        top = stop if stop == self._chain.n_layers else stop - 1  # the last layer that runs forward
        total: float = 0
        for count, size in blocks_of(self._chain.batch_size, rows):
            t = self._table(size)
            total += count * (t.forward[top] - t.forward[start] + t.backward[stop] - t.backward[start])
        return total

    def _needs(self, start: int, last: int, rows: int) -> list[int]:
        """The bytes of the leaves from a_start to a_{start+1}, .. a_last, `last` below L, in blocks of `rows` rows.

        The maxima over the layers below j begin with what is held between two blocks, which is never the most.
        """
        n_blocks, last_rows = _number_and_last(self._chain.batch_size, rows)
        held, g = self._activation, self._gradients
        layers = range(start + 1, last + 1)

        def at_steps(rows: int) -> tuple[list[int], list[int]]:
            """I_r(l) for l < j, and I_r(j), which leaves out delta_j."""
            t = self._table(rows)
            alone = [t.held[layer - 1] - t.held[start] + t.workspace[layer] for layer in layers]
            below = [t.held[layer] - t.held[start] + t.kept[layer] + t.workspace[layer] for layer in layers]
            return below, alone

        below, at_stop = at_steps(min(rows, self._chain.batch_size))
        most = list(accumulate(below, max, initial=0))
        if n_blocks == 1:
            t = self._table(rows)
            runs = (t.held[layer] - t.held[start] + t.running[layer] for layer in layers)
            forward = accumulate(runs, max, initial=0)  # the most before a_j, for j = i + 1, ...
            delta = self._error[start + 1 : last + 1]
            bytes_of = zip(most, at_stop, forward, delta, strict=False)
            return [held[start] + max(a, max(b, f) + d) for a, b, f, d in bytes_of]
        below_in_last, at_stop_in_last = at_steps(last_rows)
        first = list(
            accumulate((b - g[layer - 1] for b, layer in zip(below, layers, strict=True)), max, initial=-g[start])
        )
        final = list(
            accumulate((b + g[layer] for b, layer in zip(below_in_last, layers, strict=True)), max, initial=g[start])
        )
        needs = []
        apart = [0, *accumulate(self._runs_apart(start, layers, rows), max)]  # the most of a block's run to a_{j-1}
        for index, stop in enumerate(layers):
            delta_and_sums = self._error[stop] + g[stop] - g[start]
            in_first = self._error[stop] + g[stop] + max(first[index], at_stop[index] - g[stop - 1])
            between = delta_and_sums + max(most[index], at_stop[index]) if n_blocks > 2 else 0
            in_last = max(delta_and_sums + at_stop_in_last[index], final[index] - g[start])
            most_bytes = max(in_first, between, in_last, delta_and_sums + apart[index])
            needs.append(held[start] + self._apart[start] + most_bytes)
        return needs

    def _runs_apart(self, start: int, layers: Iterable[int], rows: int) -> Iterator[int]:
        """The bytes beside a_start when each of `layers` has run on a block; 0 where none works in arrays apart."""
        t, halves = self._table(rows), self._chain.halves
        return (t.held[layer] - t.held[start] + t.running[layer] if halves else 0 for layer in layers)

    def _needs_to_end(self, rows: int) -> list[int]:
        """The bytes of the leaves to the end of the chain from each of a_0 .. a_{L-1}, in blocks of `rows` rows."""
        n_blocks, last_rows = _number_and_last(self._chain.batch_size, rows)
        held, g, n_layers = self._activation, self._gradients, self._chain.n_layers
        downwards = range(n_layers, 0, -1)

        def at_steps(rows: int) -> tuple[list[int], list[int]]:
            """The bytes of a_1 .. a_l and B_l's workspace, l = L .. 1; I_r(l) is less by those of a_1 .. a_i."""
            t = self._table(rows)
            return [
                t.held[layer] + max(t.workspace[layer] + t.kept[layer], t.running[layer]) for layer in downwards
            ], t.held

        steps, before = at_steps(min(rows, self._chain.batch_size))
        most = list(accumulate(steps, max))[::-1]  # [i]: over the layers behind a_i
        if n_blocks == 1:
            return [held[start] + most[start] - before[start] for start in range(n_layers)]
        steps_in_last, before_in_last = at_steps(last_rows)
        first = list(accumulate((s - g[layer - 1] for s, layer in zip(steps, downwards, strict=True)), max))[::-1]
        final = list(accumulate((s + g[layer] for s, layer in zip(steps_in_last, downwards, strict=True)), max))[::-1]
        needs = []
        apart = list(accumulate(self._runs_apart(0, downwards, rows), max))[::-1]
        for start in range(n_layers):
            in_first = first[start] + g[n_layers] - before[start]
            between = most[start] + g[n_layers] - g[start] - before[start] if n_blocks > 2 else 0
            in_last = final[start] - g[start] - before_in_last[start]
            forward = g[n_layers] - g[start] + max(0, apart[start] - before[start])
            needs.append(held[start] + self._apart[start] + max(in_first, between, in_last, forward))
        return needs


def undominated(leaves: list[Leaf]) -> list[Leaf]:
    """Those leaves with no other of less need and no more cost; of equals, the one with more rows."""
    kept: list[Leaf] = []
    for leaf in sorted(leaves, key=lambda leaf: (leaf.cost, -leaf.rows)):
        if not kept or leaf.need_bytes < kept[-1].need_bytes:
            kept.append(leaf)
    return kept
