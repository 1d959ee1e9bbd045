"""The reader of schedules that writes a step down to be run in one call: every array at its place in the arena.

The bits are the executor's, `checkpoint.execution.step`, action by action. Copies to and from the offload place are
made between programs: the step is cut where one begins or is waited for. No arrays here but the tables of records.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backend import Transfers
from checkpoint.execution.host_copies import HostCopies
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release, Rows
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.lifetimes import turns_of
from checkpoint.schedule.schedule import Schedule
from mlp.buffers import Places
from mlp.program import Written
from mlp.records import Records, Table
from mlp.uptake import ONTO_VELOCITY


def written(schedule: Schedule, chain: Chain, places: Places, records: Records, transfers: Transfers | None) -> Written:
    """A step of `schedule` on `chain`, a whole mini-batch of it, whose arrays lie at `places`.

    The schedule is taken to be one that `simulate` accepts. `transfers`: where activations are offloaded to, if any.
    """
    in_pieces = replace(chain, pieces=schedule.pieces, planned_rows=schedule.planned_rows)
    step = _Step(in_pieces, places, records, HostCopies(transfers))
    for stretch in schedule.for_batch(chain.batch_size).stretches:
        for rows, times in turns_of(stretch, (stop for _, _, stop in step.held.values()), chain, places.repeats):
            start, stop = rows or (0, chain.batch_size)
            begun, taken = len(records), step.taken
            step.run(stretch.body, (start, stop))
            if times > 1:  # the next block shows what moves on
                step.taken = taken
                step.run(stretch.body, (stop, 2 * stop - start))
                records.repeat(begun, times)
    tables = [*step.tables, records.table()]
    return Written(places.arena_bytes, tables, step.between, step.copies.end if step.between else None)


class _Step:
    """What is held where, action by action, and the programs so far with what is done between them."""

    def __init__(self, chain: Chain, places: Places, records: Records, copies: HostCopies) -> None:
        self.chain, self.records, self.copies = chain, records, copies
        self.offsets, self.taken = places.offsets, 0
        self.row_bytes = [width * chain.item_bytes for width in chain.widths]
        self.held: dict[int, tuple[int, int, int]] = {0: (0, 0, chain.batch_size)}  # offset, first row, the row after
        self.sums: dict[int, tuple[int, int]] = {}  # offsets of a layer's gradient, which row blocks are added onto
        self.away: set[int] = set()  # layers that are at the offload place, or on their way there or back
        self.arriving: set[int] = set()
        self.tables: list[Table] = []
        self.between: list[Callable[[np.ndarray], None]] = []

    def next_offset(self) -> int:
        """Where the next array lies."""
        self.taken += 1
        return self.offsets[self.taken - 1]

    def run(self, body: tuple[Action, ...], rows: Rows) -> None:
        """Write what some actions do on these rows."""
        for action in body:
            match action:
                case Forward():
                    self.forward(action, rows)
                case Backward():
                    self.backward(action.layer, rows)
                case Release():
                    self.release(action.layer)
                case Offload():
                    self.offload(action.layer)
                case Fetch():
                    self.fetch(action.layer)

    def forward(self, action: Forward, rows: Rows) -> None:
        layer, (start, stop) = action.layer, rows
        self.wait_for(layer - 1)
        if not action.whole:
            self.held[layer] = self.next_offset(), start, stop
        elif start == 0:
            self.held[layer] = self.next_offset(), 0, self.chain.batch_size
        self.records.forward(layer, start, stop - start, self.place_of(layer - 1, start), self.place_of(layer, start))

    def backward(self, layer: int, rows: Rows) -> None:
        records, batch_size, (start, stop) = self.records, self.chain.batch_size, rows
        self.wait_for(layer - 1)
        self.wait_for(layer)
        a, delta, count = self.place_of(layer - 1, start), self.place_of(layer, start), stop - start
        if layer == self.chain.n_layers:
            records.cost(start, count, delta)
            records.output_error(start, count, delta)
        if self.chain.uptake == ONTO_VELOCITY:
            records.add_onto_velocity(layer, start, count, a, delta, begins=start == 0)
            if stop == batch_size:
                records.add_velocity(layer)
        elif count == batch_size:
            bias, weight = self.next_offset(), self.next_offset()
            records.backward(layer, count, a, delta, weight, bias, self.piece_rows(layer))
        else:
            onto = layer in self.sums
            if not onto:
                self.sums[layer] = self.next_offset(), self.next_offset()
            records.add_backward(layer, start, count, a, delta, *self.sums[layer], onto=onto)
            if stop == batch_size:
                records.update(layer, *self.sums.pop(layer))
        if stop == self.held[layer][2]:
            del self.held[layer]

    def release(self, layer: int) -> None:
        if layer in self.away:
            self.cut(lambda _: self.copies.before_release(layer))
            if layer in self.arriving:
                self.away_no_more(layer)
        del self.held[layer]

    def offload(self, layer: int) -> None:
        self.wait_for(layer)
        array = self.array_of(layer)
        self.cut(lambda arena: self.copies.out(layer, array(arena)))
        self.away.add(layer)

    def fetch(self, layer: int) -> None:
        self.held[layer] = self.next_offset(), 0, self.chain.batch_size
        array = self.array_of(layer)
        self.cut(lambda arena: self.copies.back(layer, array(arena)))
        self.arriving.add(layer)

    def wait_for(self, layer: int) -> None:
        """Cut the step before the first use of what is on its way back."""
        if layer in self.arriving:
            self.cut(lambda _: self.copies.arrived(layer))
            self.away_no_more(layer)

    def away_no_more(self, layer: int) -> None:
        self.arriving.discard(layer)
        self.away.discard(layer)

    def cut(self, then: Callable[[np.ndarray], Any]) -> None:
        """End a program here: `then` is called, and the next one begins."""
        self.tables.append(self.records.table())
        self.between.append(then)

    def place_of(self, layer: int, row: int) -> int:
        """The offset of a row of what is held of a layer; the input lies elsewhere."""
        offset, first, _ = self.held[layer]
        return offset + (row - first) * self.row_bytes[layer]

    def array_of(self, layer: int) -> Callable[[np.ndarray], np.ndarray]:
        """What makes the array of a_layer, for the whole mini-batch, of the arena."""
        shape = self.chain.batch_size, self.chain.widths[layer]
        first = self.held[layer][0] // self.chain.item_bytes
        return lambda arena: arena[first : first + shape[0] * shape[1]].reshape(shape)

    def piece_rows(self, layer: int) -> int:
        return self.chain.piece_rows(layer, self.chain.batch_size)[0]
