"""Where the arrays of a network's steps lie in its arena, for each size of mini-batch. No arrays here."""

from array import array
from dataclasses import replace
from typing import Protocol

from checkpoint.schedule.chain import Chain
from checkpoint.schedule.placement import place, place_fewer
from checkpoint.schedule.schedule import Schedule
from mlp.buffers import Places


class Scheduled(Protocol):
    """What has a schedule, and a chain, for each size of mini-batch."""

    def schedule_for(self, batch_size: int) -> Schedule: ...

    def chain(self, batch_size: int) -> Chain: ...


class Arenas:
    """Places by the number of rows, worked out once for each schedule."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, tuple[bool, str]], tuple[Schedule, Places]] = {}

    def places(self, network: Scheduled, rows: int, *, gradients: bool, uptake: str) -> Places:
        """The places for a mini-batch of `rows` rows; without `gradients`, which then are whole and the caller's.

        `uptake`: how a step takes up those that are not.

        Rows that are fewer than others before them fit in the same arena where their schedule is cut from the same.
        """
        schedule = network.schedule_for(rows)
        kind = gradients, uptake
        known = self._made.get((rows, kind))
        if known is not None and known[0] is schedule:
            return known[1]
        chain = replace(network.chain(rows), uptake=uptake)
        briefly = not schedule.offloads  # copies are apart from what a row block does
        placement = place(schedule, chain, gradients=gradients, briefly=briefly)
        larger = self._larger(schedule, rows, kind, placement.arena_bytes)
        if larger is not None:
            chain = replace(chain, batch_size=larger)
            placement = place_fewer(self._made[larger, kind][0], chain, rows, gradients=gradients)
        columns = placement.columns
        values, offsets = array("q", columns.values), array("q", placement.offsets)
        places = Places(values, offsets, placement.arena_bytes, columns.repeats)
        self._made[rows, kind] = schedule, places
        return places

    def _larger(self, schedule: Schedule, rows: int, kind: tuple[bool, str], arena_bytes: int) -> int | None:
        """The size of a larger mini-batch whose schedule, cut to `rows` rows, is this one, in fewer than these bytes.

        Schedules are compared last: that writes all their actions out.
        """
        for (most, other), (whole, places) in self._made.items():
            smaller = most > rows and other == kind and places.arena_bytes < arena_bytes
            if smaller and whole.for_batch(rows) == schedule:
                return most
        return None
