"""Leaves: segments whose interior is held at once, for the whole mini-batch or for a block of its rows at a time.

The segment from a_start to a_stop begins with a_start held and, unless it is the last segment of the chain, the error
delta_stop. Its interior, the activations between them, runs forward from a_start, and the error goes back to a_start.
In row blocks, the interior is held for some rows only; the gradients of the segment's layers add up over the blocks.

Nothing here chooses: it says what a leaf needs and costs, in closed form, and writes its actions. The bytes are
`simulate`'s to the byte: the first block, in which gradient sums appear one by one; the blocks between; the last, in
which they go one by one.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from checkpoint.planning.costs import Cost
from checkpoint.schedule.actions import Action, Backward, Forward, Release, Rows
from checkpoint.schedule.chain import Chain


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf takes: `need_bytes` with a_start and delta_stop counted, `cost` of all its actions."""

    need_bytes: int
    cost: float
    rows: int


def sweep_actions(start: int, stop: int, rows: Rows | None = None) -> Iterator[Action]:
    """Run from a_start to a_stop, and hold nothing between them."""
    for layer in range(start + 1, stop + 1):
        yield Forward(layer, rows)
        if layer > start + 1:
            yield Release(layer - 1, rows)


def sweep_in_blocks(chain: Chain, start: int, stop: int, rows: int) -> Iterator[Action]:
    """The same, `rows` rows at a time: they fill an a_stop for the whole mini-batch, and nothing else is held whole."""
    for block in row_blocks(chain.batch_size, rows):
        for layer in range(start + 1, stop + 1):
            yield Forward(layer, block, whole=layer == stop and block is not None)
            if layer > start + 1:
                yield Release(layer - 1, block)


def leaf_actions(chain: Chain, start: int, stop: int, rows: int) -> Iterator[Action]:
    """The leaf's actions, `rows` rows at a time."""
    top = stop if stop == chain.n_layers else stop - 1
    for block in row_blocks(chain.batch_size, rows):
        yield from (Forward(layer, block) for layer in range(start + 1, top + 1))
        yield from (Backward(layer, block) for layer in range(stop, start, -1))


def row_blocks(batch_size: int, rows: int) -> list[Rows | None]:
    """The blocks of a mini-batch; one that is all of it is None.

    >>> row_blocks(10, 4)
    [(0, 4), (4, 8), (8, 10)]
    """
    if rows >= batch_size:
        return [None]
    return list(pairwise([*range(0, batch_size, rows), batch_size]))


class _Rows:
    """The bytes and costs of every layer for one size of block; index l is layer l, index 0 the input."""

    def __init__(self, chain: Chain, cost: Cost, rows: int) -> None:
        layers = range(1, chain.n_layers + 1)
        self.held = list(accumulate((chain.activation_bytes(layer, rows) for layer in layers), initial=0))
        self.workspace = [0, *(chain.workspace_bytes(layer, rows) for layer in layers)]
        self.forward = list(accumulate((cost.forward(layer, rows) for layer in layers), initial=0))
        self.backward = list(accumulate((cost.backward(layer, rows) for layer in layers), initial=0))


class Leaves:
    """The leaves of a chain for the block sizes `sizes`, largest first."""

    def __init__(self, chain: Chain, cost: Cost, sizes: list[int]) -> None:
        self._chain, self._sizes = chain, sizes
        self._tables: dict[int, _Rows] = {}
        self._cost = cost
        layers = range(1, chain.n_layers + 1)
        self._gradients = list(accumulate((chain.gradient_bytes(layer) for layer in layers), initial=0))
        self._activation = [chain.activation_bytes(layer) for layer in range(chain.n_layers + 1)]

    def from_start(self, start: int, stops: list[int]) -> dict[int, list[Leaf]]:
        """For each of `stops`, below L, the leaves from a_start to it that no other beats, the cheapest first."""
        found: dict[int, list[Leaf]] = {stop: [] for stop in stops}
        for rows in self._sizes:
            scan = self._whole if rows >= self._chain.batch_size else self._blocked
            for stop, need in scan(start, rows, found.keys(), stops[-1]):
                found[stop].append(Leaf(need, self._leaf_cost(start, stop, rows), rows))
        return {stop: _undominated(leaves) for stop, leaves in found.items()}

    def to_end(self, starts: list[int]) -> list[list[Leaf]]:
        """For each of `starts`, the leaves from it to the end of the chain that no other beats, the cheapest first."""
        found: list[list[Leaf]] = [[] for _ in starts]
        for rows in self._sizes:
            needs = self._needs_to_end(rows)
            for index, start in enumerate(starts):
                found[index].append(Leaf(needs[start], self._leaf_cost(start, self._chain.n_layers, rows), rows))
        return [_undominated(leaves) for leaves in found]

    def _table(self, rows: int) -> _Rows:
        if rows not in self._tables:
            self._tables[rows] = _Rows(self._chain, self._cost, rows)
        return self._tables[rows]

    def _leaf_cost(self, start: int, stop: int, rows: int) -> float:
        batch_size, top = self._chain.batch_size, stop if stop == self._chain.n_layers else stop - 1
        full, rest = divmod(batch_size, min(rows, batch_size))
        total: float = 0
        for count, size in ((full, min(rows, batch_size)), (1, rest)):
            if size:
                t = self._table(size)
                total += count * (t.forward[top] - t.forward[start] + t.backward[stop] - t.backward[start])
        return total

    def _whole(self, start: int, rows: int, wanted: Container[int], last: int) -> Iterator[tuple[int, int]]:
        t, a = self._table(rows), self._activation
        before = 0  # the most bytes of interior and workspace in the backward steps of layers below `stop`
        for stop in range(start + 1, last + 1):
            here = t.held[stop] - t.held[start] + t.workspace[stop]
            if stop in wanted:
                yield stop, a[start] + max(before, here)
            before = max(before, here)

    def _blocked(self, start: int, rows: int, wanted: Container[int], last: int) -> Iterator[tuple[int, int]]:
        batch_size, a, g = self._chain.batch_size, self._activation, self._gradients
        n_blocks = -(-batch_size // rows)
        t, end = self._table(rows), self._table(batch_size - (n_blocks - 1) * rows)
        first = middle = final = -(2**62)
        for stop in range(start + 1, last + 1):
            top = stop - 1
            here = t.held[top] - t.held[start] + t.workspace[stop]
            there = end.held[top] - end.held[start] + end.workspace[stop]
            if stop in wanted:
                delta, sums = a[stop], g[stop] - g[start]
                need = delta + max(first + g[stop], here + g[stop] - g[stop - 1])
                if n_blocks > 2:
                    need = max(need, delta + sums + max(middle, here))
                need = max(need, delta + sums + there, final - g[start])
                yield stop, a[start] + need
            below = t.held[stop] - t.held[start] + t.workspace[stop]
            first = max(first, below - g[stop - 1])
            middle = max(middle, below)
            final = max(final, end.held[stop] - end.held[start] + end.workspace[stop] + g[stop])

    def _needs_to_end(self, rows: int) -> list[int]:
        batch_size, n_layers, a, g = self._chain.batch_size, self._chain.n_layers, self._activation, self._gradients
        n_blocks = max(1, -(-batch_size // rows))
        t, end = self._table(rows), self._table(batch_size - (n_blocks - 1) * rows)
        first = middle = final = -(2**62)
        needs = [0] * n_layers
        for start in range(n_layers - 1, -1, -1):
            layer = start + 1
            first = max(first, t.held[layer] + t.workspace[layer] - g[start])
            middle = max(middle, t.held[layer] + t.workspace[layer])
            final = max(final, end.held[layer] + end.workspace[layer] + g[layer])
            if n_blocks == 1:
                needs[start] = a[start] + middle - t.held[start]
                continue
            need = max(first + g[n_layers] - t.held[start], final - g[start] - end.held[start])
            if n_blocks > 2:
                need = max(need, middle - t.held[start] + g[n_layers] - g[start])
            needs[start] = a[start] + need
        return needs


def _undominated(leaves: list[Leaf]) -> list[Leaf]:
    """Those leaves with no other of less need and no more cost; of equals, the one with more rows."""
    kept: list[Leaf] = []
    for leaf in sorted(leaves, key=lambda leaf: (leaf.cost, -leaf.rows)):
        if not kept or leaf.need_bytes < min(other.need_bytes for other in kept):
            kept.append(leaf)
    return kept
