"""The memory of training steps: one block, the arena, in which each array of a step has its place.

The arena stays from step to step, as large as the largest step so far: fresh memory from the operating system costs a
page fault every 4 KiB at first touch, about a tenth of a step. Arrays that a caller keeps, such as whole gradients, are
never in it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from backend import Backend
from backend.facts import LINE_BYTES
from mlp.pieces import half_values

LEAST_ROWS = 128
"""Fewer rows at once make evaluation slow."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the arrays of a step lie, in the order in which they are taken: `offsets` in bytes, `values` in number.

    Of each (first, stop, times) of `repeats`, in order, the arrays from `first` to before `stop` are taken `times`
    times in a row.
    """

    values: Sequence[int]
    offsets: Sequence[int]
    arena_bytes: int
    repeats: Sequence[tuple[int, int, int]] = ()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The number of values and the offset of each array, as often as it is taken."""
        at = 0
        for first, stop, times in (*self.repeats, (len(self.values), len(self.values), 0)):
            yield from zip(self.values[at:first], self.offsets[at:first], strict=True)
            for _ in range(times):
                yield from zip(self.values[first:stop], self.offsets[first:stop], strict=True)
            at = stop


@dataclass(slots=True)
class Room:
    """The memory of one step: places in the arena, or arrays of its own where there is no `arena`."""

    backend: Backend
    dtype: str
    places: Iterator[tuple[int, int]]
    arena: Any = None
    is_open: bool = True
    _held: dict[int, tuple[Any, int]] = field(default_factory=dict)

    def take(self, shape: tuple[int, ...], *, halves: bool = False) -> Any:
        """The next array of the step, row-major; its values are not set. With `halves` they are bits of two bytes."""
        wanted = half_values(prod(shape)) if halves else prod(shape)
        if self.arena is None:
            array = self.backend.empty((wanted,) if halves else shape, self.dtype)
            return self.backend.as_halves(array, shape) if halves else array
        values, offset = next(self.places)
        if values != wanted:
            raise AssertionError(f"an array of {shape} is taken where {values} values are placed")
        item = np.dtype(self.dtype).itemsize
        first = offset // item
        part = self.arena[first : first + values]
        array = self.backend.as_halves(part, shape) if halves else self.backend.xp.reshape(part, shape)
        facts, size = self.backend.facts, values * item
        counted = facts.array_bytes(size)
        self._held[id(array)] = array, counted
        self.backend.place(counted, end=offset + facts.placed_bytes(size))
        return array

    def give(self, array: Any) -> None:
        """Take back an array of `take`'s that nobody uses any more; any other is left alone."""
        held, counted = self._held.pop(id(array), (None, 0))
        if held is not None:
            self.backend.release(array)
            self.backend.place(-counted)

    def end(self) -> None:
        """Take back everything: the next step may have the arena."""
        for array, _ in list(self._held.values()):
            self.give(array)
        self.is_open, self.arena = False, None


class Buffers:
    """The memory of one network's steps, arrays of one dtype. Not for two threads at once."""

    def __init__(self, backend: Backend, dtype: str) -> None:
        self._backend, self._dtype = backend, dtype
        self._arena: Any = None
        self.moves = 0
        """How often the arena has come to lie elsewhere, or has gone."""
        self._offered: Any = None
        self._room: Room | None = None
        self._apart = False

    @property
    def arena_bytes(self) -> int:
        """The bytes of the arena as it is now."""
        return 0 if self._arena is None else int(self._arena.size) * np.dtype(self._dtype).itemsize

    def begin(self, places: Places) -> Room:
        """The room of a step whose arrays lie at `places`, until its `end`.

        It is apart from the arena while an earlier step is not over there: its arrays are new ones.
        """
        along = iter(places)
        if self._apart or (self._room is not None and self._room.is_open):
            return Room(self._backend, self._dtype, along)
        self._room = Room(self._backend, self._dtype, along, self.reserve(places.arena_bytes))
        return self._room

    def reserve(self, size: int) -> Any:
        """The arena, of at least `size` bytes, as a vector."""
        if self._arena is None or self.arena_bytes < size:
            self.moves += 1
            self._arena = None  # before the larger one exists, not after
            self._arena = self._backend.arena(max(1, -(-size // np.dtype(self._dtype).itemsize)), self._dtype)
        return self._arena

    @property
    def is_free(self) -> bool:
        """Whether the arena is no step's now, and steps lie in it."""
        return not self._apart and (self._room is None or not self._room.is_open)

    def begin_apart(self) -> Room:
        """The room of a step whose arrays come from the allocator one by one, and go back there."""
        return Room(self._backend, self._dtype, iter(()))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A block whose steps have no arena: each of their arrays is allocated, and freed after its last use."""
        self.moves += 1
        self._arena, before, self._apart = None, self._apart, True
        try:
            yield
        finally:
            self._apart = before

    # Between steps

    def rows_at_once(self, widths: Sequence[int], *, most: int) -> int:
        """How many rows `in_turns` has room for in the arena: `most` where there is none, and no fewer than 128."""
        if self._arena is None or not self.is_free:
            return most
        fitting = (int(self._arena.size) - self._line) // _two_neighbours(widths)
        return min(most, max(fitting, LEAST_ROWS))

    def in_turns(self, rows: int, widths: Sequence[int]) -> Iterator[Any]:
        """Arrays (rows, width), of which no more than two neighbours are used at once.

        They lie at the ends of the arena in turns; where it is too small, or a step's, they are new ones.
        """
        size = 0 if self._arena is None or not self.is_free else int(self._arena.size)
        fits = rows * _two_neighbours(widths) <= size - self._line
        for number, width in enumerate(widths):
            values = rows * width
            first = (size - values) // self._line * self._line if number % 2 else 0
            if fits:
                yield self._backend.xp.reshape(self._arena[first : first + values], (rows, width))
            else:
                yield self._backend.empty((rows, width), self._dtype)

    @property
    def _line(self) -> int:
        """The values of a cache line."""
        return LINE_BYTES // np.dtype(self._dtype).itemsize

    # An array for whoever makes the next activation

    @contextmanager
    def offering(self, array: Any) -> Iterator[None]:
        """A block in which the first array asked of `offered` is this one, if the shape fits."""
        self._offered = array
        try:
            yield
        finally:
            self._offered = None

    def offered(self, shape: tuple[int, ...]) -> Any:
        """The array on offer, once; or a new one."""
        array, self._offered = self._offered, None
        if array is not None and tuple(array.shape) == shape:
            return array
        return self._backend.empty(shape, self._dtype)


def _two_neighbours(widths: Sequence[int]) -> int:
    """The most units that two neighbouring layers have together, at least 1."""
    return max(map(sum, pairwise((0, *widths))), default=1)
