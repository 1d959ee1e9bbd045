"""A roofline of a step: the least time that its operations and its bytes allow. Pure numbers.

The bytes are those that a last-level cache must exchange with memory, by replaying the schedule through a
least-recently-used cache of tiles of some rows. Each layer is taken as one pass: its bias, activation and derivative
add no bytes. Operations are those of the matrix products alone.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.machine.rates import Rates
from checkpoint import Backward, Chain, Forward, Release, Schedule

TILE_ROWS = 128
"""Rows of a tile. A step whose layers pass from cache to cache is followed this finely."""

Tile = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Roofline:
    """`flops` and `memory_bytes` of a step and the least `seconds` they take.

    `memory_bound`: the part of these seconds in layers whose bytes take longer than their operations, in 0..1.
    """

    flops: int
    memory_bytes: int
    seconds: float
    memory_bound: float


def roofline(schedule: Schedule, chain: Chain, rates: Rates) -> Roofline:
    """The roofline of a schedule that `simulate` accepts on `chain`, for a step that follows another."""
    flops = memory = 0
    seconds = bound = 0.0
    for own_flops, own_bytes in traffic(schedule.for_batch(chain.batch_size), chain, cache_bytes=rates.cache_bytes):
        computing, moving = own_flops / rates.flops_per_second, own_bytes / rates.bytes_per_second
        flops += own_flops
        memory += own_bytes
        seconds += max(computing, moving)
        bound += moving if moving > computing else 0.0
    return Roofline(flops, memory, seconds, bound / seconds if seconds else 0.0)


def traffic(schedule: Schedule, chain: Chain, *, cache_bytes: int) -> Iterator[tuple[int, int]]:
    """The operations of each action, and the bytes between cache and memory, in the second of two steps."""
    cache = _Cache(cache_bytes)
    steps = [*_replay(schedule, chain, cache), *_replay(schedule, chain, cache)]
    yield from steps[len(schedule) :]


def _replay(schedule: Schedule, chain: Chain, cache: "_Cache") -> Iterator[tuple[int, int]]:
    for action in schedule:
        start, stop = action.rows or (0, chain.batch_size)
        layer, before = action.layer, cache.moved_bytes
        flops = 0
        if isinstance(action, Forward):
            flops = chain.forward_flops(layer, stop - start)
            for tile, rows in _tiles(start, stop):
                cache.read(("a", layer - 1, tile), rows * chain.widths[layer - 1] * chain.item_bytes)
                cache.read(("W", layer, 0), _weight_bytes(chain, layer))
                cache.write(("a", layer, tile), rows * chain.widths[layer] * chain.item_bytes)
        elif isinstance(action, Backward):
            flops = chain.forward_flops(layer, stop - start) * (2 if layer > 1 else 1)
            for tile, rows in _tiles(start, stop):
                cache.read(("a", layer, tile), rows * chain.widths[layer] * chain.item_bytes)
                cache.forget(("a", layer, tile))
                below = rows * chain.widths[layer - 1] * chain.item_bytes
                cache.read(("a", layer - 1, tile), below)
                cache.read(("W", layer, 0), _weight_bytes(chain, layer))
                if layer > 1:
                    cache.write(("a", layer - 1, tile), below)
            if (start, stop) != (0, chain.batch_size):  # the layer's sum, to which every row block adds
                if start > 0:
                    cache.read(("G", layer, 0), _weight_bytes(chain, layer))
                cache.write(("G", layer, 0), _weight_bytes(chain, layer))
            if stop == chain.batch_size:
                cache.write(("W", layer, 0), _weight_bytes(chain, layer))
                cache.forget(("G", layer, 0))
        elif isinstance(action, Release):
            for tile, _ in _tiles(start, stop):
                cache.forget(("a", layer, tile))
        yield flops, cache.moved_bytes - before


def _tiles(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The number of each tile in the rows, and how many of the rows are in it."""
    for tile in range(start // TILE_ROWS, -(-stop // TILE_ROWS)):
        yield tile, min(stop, (tile + 1) * TILE_ROWS) - max(start, tile * TILE_ROWS)


def _weight_bytes(chain: Chain, layer: int) -> int:
    return (chain.widths[layer - 1] + 1) * chain.widths[layer] * chain.item_bytes


@dataclass(slots=True)
class _Cache:
    """Tiles in order of their last use. What was written goes to memory when it is evicted, and not if forgotten."""

    room: int
    moved_bytes: int = 0
    held: OrderedDict[Tile, tuple[int, bool]] = field(default_factory=OrderedDict)
    held_bytes: int = 0

    def read(self, tile: Tile, size: int) -> None:
        dirty = self._take(tile)
        if dirty is None:
            self.moved_bytes += size
        self._put(tile, size, dirty=bool(dirty))

    def write(self, tile: Tile, size: int) -> None:
        self._take(tile)
        self._put(tile, size, dirty=True)

    def forget(self, tile: Tile) -> None:
        self._take(tile)

    def _take(self, tile: Tile) -> bool | None:
        """Remove a tile; whether it was dirty, None if it was not held."""
        if tile not in self.held:
            return None
        size, dirty = self.held.pop(tile)
        self.held_bytes -= size
        return dirty

    def _put(self, tile: Tile, size: int, *, dirty: bool) -> None:
        self.held[tile] = size, dirty
        self.held_bytes += size
        while self.held_bytes > self.room:
            _, (evicted, was_dirty) = self.held.popitem(last=False)
            self.held_bytes -= evicted
            self.moved_bytes += evicted if was_dirty else 0
