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
from itertools import accumulate, pairwise, repeat

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
        self.below = list(map(sum, zip(self.held, self.kept, self.workspace, strict=True)))
        """The bytes of a_1 .. a_l and B_l's workspace, delta_l counted; I_r(l) is less by those of a_1 .. a_i."""
        self.alone = [0, *map(int.__add__, self.held, self.workspace[1:])]
        """The same without delta_l."""
        self.runs = list(map(int.__add__, self.held, self.running))


class _Most:
    """The most of a value of each layer from the one behind a place up to the one before another place.

    It is `least` of the first place at least. Gaps between places are looked through once for all pairs of them.
    """

    def __init__(self, values: Sequence[int], least: Sequence[int], places: Sequence[int]) -> None:
        gaps = list(pairwise(places))
        self._first = [max([least[a], *values[a + 1 : b]]) for a, b in gaps]
        self._later = [max(values[a:b]) for a, b in gaps]

    def before(self, index: int) -> Iterator[int]:
        """For the place at `index`, and each one behind it."""
        return accumulate((*self._first[index : index + 1], *self._later[index + 1 :]), max)


class Leaves:
    """The leaves of a chain between `places`, layers from 0 to L, for the row blocks `sizes`, largest first."""

    def __init__(self, chain: Chain, cost: Cost, sizes: list[int], places: Sequence[int]) -> None:
        self._chain, self._cost, self._sizes = chain, cost, sizes
        self._starts, self._stops = places[:-1], places[1:-1]
        self._tables: dict[int, _Table] = {}
        layers = range(1, chain.n_layers + 1)
        self._gradients = list(accumulate((chain.sum_bytes(layer) for layer in layers), initial=0))
        self._activation = [chain.activation_bytes(layer) for layer in range(chain.n_layers + 1)]
        self._error = [chain.error_bytes(layer) for layer in range(chain.n_layers + 1)]
        self._apart = [self._error[layer] if chain.is_half(layer) else 0 for layer in range(chain.n_layers + 1)]
        self._inner = [self._needs_within(rows) for rows in sizes]

    def from_start(self, index: int) -> list[list[Leaf]]:
        """The leaves from the place at `index` to each one behind it but L that no other beats, cheapest first."""
        each = []
        for rows, needs in zip(self._sizes, self._inner, strict=True):
            costs = self._leaf_costs(self._starts[index], self._stops[index:], rows)
            each.append(list(map(Leaf, needs(index), costs, repeat(rows))))
        return [undominated(leaves) for leaves in zip(*each, strict=True)]

    def to_end(self) -> list[list[Leaf]]:
        """For each place but L, the leaves from it to the end of the chain that no other beats, cheapest first."""
        found: list[list[Leaf]] = [[] for _ in self._starts]
        for rows in self._sizes:
            needs = self._needs_to_end(rows)
            for leaves, start in zip(found, self._starts, strict=True):
                (cost,) = self._leaf_costs(start, [self._chain.n_layers], rows)
                leaves.append(Leaf(needs[start], cost, rows))
        return [undominated(leaves) for leaves in found]

    def _table(self, rows: int) -> _Table:
        if rows not in self._tables:
            self._tables[rows] = _Table(self._chain, self._cost, rows)
        return self._tables[rows]

    def _leaf_costs(self, start: int, stops: Sequence[int], rows: int) -> list[float]:
        n_layers = self._chain.n_layers
        tops = [stop if stop == n_layers else stop - 1 for stop in stops]  # the last layers that run forward
        totals: list[float] = [0] * len(stops)
        for count, size in blocks_of(self._chain.batch_size, rows):
            t = self._table(size)
            f, b, ran, taken = t.forward, t.backward, t.forward[start], t.backward[start]
            each = zip(totals, tops, stops, strict=True)
            totals = [total + count * (f[top] - ran + b[stop] - taken) for total, top, stop in each]
        return totals

    def _needs_within(self, rows: int) -> Callable[[int], list[int]]:
        """A function of a place's index: the bytes of the leaves to each place behind it but L, in blocks of `rows`.

        The maxima over the layers below j begin with what is held between two blocks, which is never the most.
        """
        n_blocks, last_rows = _number_and_last(self._chain.batch_size, rows)
        held, g, error, starts = self._activation, self._gradients, self._error, self._starts
        t, last = self._table(rows), self._table(last_rows)
        if n_blocks == 1:
            at_steps, forward = _Most(t.below, t.held, starts), _Most(t.runs, t.held, starts)

            def at_once(index: int) -> list[int]:
                start = starts[index]
                each = zip(self._stops[index:], at_steps.before(index), forward.before(index), strict=True)
                bytes_of = (max(most, max(t.alone[stop], ran) + error[stop]) for stop, most, ran in each)
                return [needs + held[start] - t.held[start] for needs in bytes_of]

            return at_once
        most = _Most(t.below, t.held, starts)
        first = _Most(list(map(int.__sub__, t.below, [0, *g[:-1]])), list(map(int.__sub__, t.held, g)), starts)
        final = _Most(list(map(int.__add__, last.below, g)), list(map(int.__add__, last.held, g)), starts)
        forward = _Most(t.runs if self._chain.halves else t.held, t.held, starts)  # a block's, in arrays apart

        def in_blocks(index: int) -> list[int]:
            start, needs = starts[index], []
            above, above_in_last = t.held[start], last.held[start]
            steps = zip(*(each.before(index) for each in (first, most, final, forward)), strict=True)
            for stop, (in_first, between, in_last, ran) in zip(self._stops[index:], steps, strict=True):
                alone, sums = t.alone[stop] - above, g[stop] - g[start]
                beside_error = max(
                    g[stop] + max(in_first - above, alone - g[stop - 1]),
                    sums + max(between - above, alone) if n_blocks > 2 else 0,
                    sums + last.alone[stop] - above_in_last,
                    sums + ran - above if self._chain.halves else 0,
                )
                most_bytes = max(error[stop] + beside_error, in_last - above_in_last - g[start])
                needs.append(held[start] + self._apart[start] + most_bytes)
            return needs

        return in_blocks

    def _needs_to_end(self, rows: int) -> list[int]:
        """The bytes of the leaves to the end of the chain from each of a_0 .. a_{L-1}, in blocks of `rows` rows."""
        n_blocks, last_rows = _number_and_last(self._chain.batch_size, rows)
        held, g, n_layers = self._activation, self._gradients, self._chain.n_layers
        downwards = range(n_layers, 0, -1)
        t, last = self._table(rows), self._table(last_rows)

        def behind(values: Callable[[int], int]) -> list[int]:
            """[i]: the most of a value over the layers behind a_i."""
            return list(accumulate(map(values, downwards), max))[::-1]

        most = behind(lambda layer: max(t.below[layer], t.runs[layer]))
        if n_blocks == 1:
            return [held[start] + most[start] - t.held[start] for start in range(n_layers)]
        first = behind(lambda layer: max(t.below[layer], t.runs[layer]) - g[layer - 1])
        final = behind(lambda layer: max(last.below[layer], last.runs[layer]) + g[layer])
        forward = behind(lambda layer: t.runs[layer] if self._chain.halves else 0)
        needs = []
        for start in range(n_layers):
            sums, before = g[n_layers] - g[start], t.held[start]
            in_first = first[start] + g[n_layers] - before
            between = most[start] + sums - before if n_blocks > 2 else 0
            in_last = final[start] - g[start] - last.held[start]
            ran = sums + max(0, forward[start] - before)
            needs.append(held[start] + self._apart[start] + max(in_first, between, in_last, ran))
        return needs


def undominated(leaves: Iterable[Leaf]) -> list[Leaf]:
    """Those leaves with no other of less need and no more cost; of equals, the one with more rows."""
    kept: list[Leaf] = []
    for leaf in sorted(leaves, key=lambda leaf: (leaf.cost, -leaf.rows)):
        if not kept or leaf.need_bytes < kept[-1].need_bytes:
            kept.append(leaf)
    return kept
