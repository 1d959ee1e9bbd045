"""The cheapest schedule in segments whose checkpoints are offloaded, under a budget.

Class: once-only segments, checkpoints offloaded; `checkpoint.strategies.offloaded` says what they are. What a segment
takes on the device depends on itself and on the checkpoint that is fetched during it, whose bytes are all that matters
of it. One dynamic program over (segment's start, bytes of the checkpoint before) is exact: it minimises what is
recomputed and that part of each copy which nothing hides. A fetch is begun as early in its segment as the budget
allows, which hides the most of it. No arrays here.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from checkpoint.planning.costs import Cost
from checkpoint.schedule.actions import Action
from checkpoint.schedule.chain import Chain
from checkpoint.strategies.offloaded import offloaded_actions

MOST_PLACES = 600
"""The most places for checkpoints, evenly spaced in longer chains: the program grows with its square."""


@dataclass(frozen=True, slots=True)
class OffloadedPlan:
    """What the program found: `cost` of what is recomputed and not hidden, and a checkpoint at each of `starts`.

    `fetch_before[i]`: the layer before whose backward step in segment i the checkpoint of segment i - 1 is fetched; the
    segment's end, for before all of it, or its start, for after all of it.
    """

    cost: float
    starts: tuple[int, ...]
    fetch_before: tuple[int, ...]


class OffloadedCheckpoints:
    """The program. `copy_cost(n)` is the cost of copying n bytes one way; computing takes `slower` times `cost`."""

    def __init__(
        self,
        chain: Chain,
        cost: Cost,
        copy_cost: Callable[[int], float],
        *,
        overlapped: bool = True,
        slower: float = 1,
    ) -> None:
        n_layers, rows = chain.n_layers, chain.batch_size
        layers = range(1, n_layers + 1)
        self._chain, self._n_layers, self._overlapped = chain, n_layers, overlapped
        self._held = [chain.activation_bytes(layer) for layer in range(n_layers + 1)]
        self._sums = list(accumulate(self._held))
        self._workspace = [0, *(chain.workspace_bytes(layer) for layer in layers)]
        self._forward = list(accumulate((slower * cost.forward(layer, rows) for layer in layers), initial=0.0))
        self._backward = list(accumulate((slower * cost.backward(layer, rows) for layer in layers), initial=0.0))
        # by width; a checkpoint before the first is the input, which is on no way
        self._bytes = {0: 0} | {width: chain.array_bytes(rows * width) for width in chain.widths[1:]}
        self._copy = {0: 0.0} | {width: copy_cost(rows * width * chain.item_bytes) for width in chain.widths[1:]}
        step = -(-n_layers // MOST_PLACES)
        self._places = list(range(0, n_layers, step))
        self.all_places = step == 1

    @property
    def smallest_peak_bytes(self) -> int:
        """The smallest peak of the class."""
        least: dict[tuple[int, int], float] = {}
        for index, start, peaks in self._backwards(inf):
            for width in self._widths_before(index):
                beside = self._held[start] + self._bytes[width]
                best: float = max(peaks[-1], beside)
                for stop in self._places[index + 1 :]:
                    if peaks[stop - start] >= best:
                        break
                    best = min(best, max(peaks[stop - start], beside, least[stop, self._width(start)]))
                least[start, width] = best
        return int(least[0, 0])

    def best(self, budget_bytes: int) -> OffloadedPlan | None:
        """The cheapest schedule of the class within the budget, of equals that which copies least; None if none is."""
        found: dict[tuple[int, int], tuple[float, int, int]] = {}  # cost, bytes copied, the next start
        nothing = (inf, 0, 0)
        for index, start, peaks in self._backwards(budget_bytes):
            own = self._width(start)
            for width in self._widths_before(index):
                early = self._earliest(start, width, peaks, budget_bytes)
                best = nothing
                if early is not None:
                    for stop in [*self._places[index + 1 :], self._n_layers]:
                        if stop - start >= len(peaks):
                            break
                        cost, copied, _ = (0.0, 0, 0) if stop == self._n_layers else found.get((stop, own), nothing)
                        cost += self._segment_cost(start, stop, width, early)
                        if stop < self._n_layers:
                            copied += self._bytes[own]
                        best = min(best, (cost, copied, stop))
                found[start, width] = best
        if found[0, 0][0] == inf:
            return None
        starts, before, at = [0], [self._n_layers], (0, 0)
        while (stop := found[at][2]) < self._n_layers:
            starts.append(stop)
            at = stop, self._width(at[0])
            peaks = self._peaks(stop, budget_bytes)
            early = self._earliest(stop, at[1], peaks, budget_bytes)
            before.append(stop if early is None else early)
        return OffloadedPlan(found[0, 0][0], tuple(starts), tuple(before))

    def actions(self, plan: OffloadedPlan) -> Iterator[Action]:
        """The schedule's actions."""
        return offloaded_actions(self._n_layers, plan.starts, plan.fetch_before)

    def _backwards(self, budget_bytes: float) -> Iterator[tuple[int, int, list[int]]]:
        for index in range(len(self._places) - 1, -1, -1):
            yield index, self._places[index], self._peaks(self._places[index], budget_bytes)

    def _peaks(self, start: int, budget_bytes: float) -> list[int]:
        """By length: the most bytes in the backward steps of a segment from a_start, as far as they fit; ascending.

        They are the most of all of the segment: running it forward takes less.
        """
        peaks = [0]
        below = self._sums[start] - self._held[start]
        for layer in range(start + 1, self._n_layers + 1):
            peak = max(peaks[-1], self._sums[layer] - below + self._workspace[layer])
            if peak > budget_bytes:
                break
            peaks.append(peak)
        return peaks

    def _width(self, start: int) -> int:
        return self._chain.widths[start] if start else 0

    def _widths_before(self, index: int) -> set[int]:
        """The widths that the checkpoint before that at place `index` can have; 0 where it's the input."""
        return {self._width(place) for place in self._places[:index]} or {0}

    def _earliest(self, start: int, width: int, peaks: list[int], budget_bytes: int) -> int | None:
        """The layer before whose backward step a checkpoint of `width` can be fetched at the earliest.

        `start` where it can only be after all of them, None where not even then. That's also the place where nothing is
        hidden anyway.
        """
        if not self._overlapped:
            return start if self._held[start] + self._bytes[width] <= budget_bytes else None
        length = bisect_right(peaks, budget_bytes - self._bytes[width]) - 1
        if length > 0:
            return start + length
        return start if self._held[start] + self._bytes[width] <= budget_bytes else None

    def _segment_cost(self, start: int, stop: int, width: int, early: int) -> float:
        """What is recomputed in a segment, and what isn't hidden of its own copy out and the other's way back."""
        last = stop == self._n_layers
        again = 0.0 if last else self._forward[stop - 1] - self._forward[start]
        own = 0.0 if last else self._copy[self._width(start)]
        if not self._overlapped:
            return again + own + self._copy[width]
        runs = self._forward[stop] - self._forward[start]
        if early >= stop:
            beside = (runs if last else again) + self._backward[stop] - self._backward[start]
        else:
            beside = self._backward[early] - self._backward[start]
        return again + max(0.0, own - runs) + max(0.0, self._copy[width] - beside)
