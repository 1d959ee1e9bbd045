"""Where the arrays of a network's steps lie in its arena, for each size of mini-batch. No arrays here."""

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
        self._made: dict[tuple[int, bool], tuple[Schedule, Places]] = {}

    def places(self, network: Scheduled, rows: int, *, gradients: bool) -> Places:
        """The places for a mini-batch of `rows` rows; without `gradients`, which then are whole and the caller's.

        Rows that are fewer than others before them fit in the same arena where their schedule is cut from the same.
        """
        schedule = network.schedule_for(rows)
        known = self._made.get((rows, gradients))
        if known is not None and known[0] is schedule:
            return known[1]
        placement = place(schedule, network.chain(rows), gradients=gradients)
        larger = self._larger(schedule, rows, gradients)
        if larger and self._made[larger, gradients][1].arena_bytes < placement.arena_bytes:
            placement = place_fewer(self._made[larger, gradients][0], network.chain(larger), rows, gradients=gradients)
        places = Places([array.values for array in placement.arrays], placement.offsets, placement.arena_bytes)
        self._made[rows, gradients] = schedule, places
        return places

    def _larger(self, schedule: Schedule, rows: int, gradients: bool) -> int | None:
        """The size of a larger mini-batch whose schedule, cut to `rows` rows, is this one."""
        for most, whole in self._made:
            if most > rows and whole == gradients and self._made[most, whole][0].for_batch(rows) == schedule:
                return most
        return None
