"""Interleaved timing: each turn takes every runner once, so that a busy machine slows all of them alike.

Two things would make a runner pay for the one before it. A library's threads may wait busily for more work, and take a
core meanwhile: OpenBLAS's do for 2^26 clock ticks, some 26 ms. So before a runner of another library than the last
one's we wait until they sleep. And its memory is cold: it takes a step that is not timed. What is left of a neighbour's
influence is shared out, as every turn has an order of its own.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.steps.cases import Case
from bench.steps.resident import Resident
from bench.steps.runners import Runner
from bench.steps.ways import Way

SPINNING_SECONDS = 0.06
"""Twice what OpenBLAS's threads wait busily."""

Entry = tuple[Way, Runner]


@dataclass(frozen=True, slots=True)
class Timed:
    """A way, its seconds a step in each turn, its peak above rest, and its resident set, if that was measured."""

    way: Way
    turns: tuple[float, ...]
    peak_bytes: int | None
    resident: Resident | None = None

    @property
    def seconds(self) -> float:
        """The median turn's."""
        return statistics.median(self.turns)

    def ratio_to(self, other: "Timed") -> float:
        """The median of the ratios of seconds to another's in the same turn."""
        return statistics.median(own / base for own, base in zip(self.turns, other.turns, strict=True))


def order_of(turn: int, n_runners: int, *, seed: int) -> list[int]:
    """The order of a turn, from 0 on: a permutation that depends on the seed and the turn alone.

    >>> sorted(order_of(3, 5, seed=0))
    [0, 1, 2, 3, 4]
    """
    order = list(range(n_runners))
    random.Random(f"{seed} {turn}").shuffle(order)  # noqa: S311 - an order, no secret
    return order


def time_interleaved(
    case: Case,
    entries: Sequence[Entry],
    *,
    turns: int,
    order_seed: int = 0,
    report: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Timed]:
    """Time every runner `turns` times; one `Timed` each, in the order of `entries`. Peaks are measured first."""
    seconds: list[list[float]] = [[] for _ in entries]
    peaks = []
    for way, runner in entries:
        report(f"{case.name}: bytes of {way.name}")
        peaks.append(runner.peak_bytes())
    last = None
    for turn in range(turns):
        for place in order_of(turn, len(entries), seed=order_seed):
            way, runner = entries[place]
            report(f"{case.name}: turn {turn + 1} of {turns}, {way.name}")
            if way.library != last:
                sleep(SPINNING_SECONDS)
            last = way.library
            runner.step()
            begun = clock()
            for _ in range(case.steps):
                runner.step()
            seconds[place].append((clock() - begun) / case.steps)
    return [Timed(way, tuple(found), peak) for (way, _), found, peak in zip(entries, seconds, peaks, strict=True)]
