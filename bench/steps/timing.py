"""Interleaved timing: each turn takes every runner once, in random order, so that a busy machine slows all alike.

Two things would make a runner pay for the one before it. A library's threads may spin while they wait for work and keep
a core busy: OpenBLAS's spin for 2^26 or 2^28 clock ticks, up to a tenth of a second. So we wait until this process uses
no processor time before a runner of another library. And the runner's memory is cold, so it takes one step that is not
timed. The random orders spread what is left of a neighbour's influence over all runners.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.steps.cases import Case
from bench.steps.resident import Resident
from bench.steps.runner import Runner
from bench.steps.ways import Way

LOOK_SECONDS = 0.02
"""How long is looked whether threads still spin."""

MOST_LOOKS = 50
"""A library whose threads spin for longer is taken as it is."""

Entry = tuple[Way, Runner]


@dataclass(frozen=True, slots=True)
class Timed:
    """A way, its seconds a step in each turn, its peak bytes above rest, and its resident set if it was measured."""

    way: Way
    turns: tuple[float, ...]
    peak_bytes: int | None
    resident: Resident | None = None

    @property
    def seconds(self) -> float:
        """The median over the turns."""
        return statistics.median(self.turns)

    def ratio_to(self, other: "Timed") -> float:
        """The median over the turns of the ratio to another's seconds in the same turn."""
        return statistics.median(own / base for own, base in zip(self.turns, other.turns, strict=True))


def order_of(turn: int, n_runners: int, *, seed: int) -> list[int]:
    """The order of a turn, counted from 0: a permutation that depends on the seed and the turn alone.

    >>> sorted(order_of(3, 5, seed=0))
    [0, 1, 2, 3, 4]
    """
    order = list(range(n_runners))
    random.Random(f"{seed} {turn}").shuffle(order)  # noqa: S311 - an order, no secret
    return order


def wait_for_threads(
    *, sleep: Callable[[float], None] = time.sleep, used: Callable[[], float] = time.process_time
) -> None:
    """Wait until no thread of this process runs, for at most MOST_LOOKS looks; `used` says its processor seconds."""
    for _ in range(MOST_LOOKS):
        before = used()
        sleep(LOOK_SECONDS)
        if used() - before < LOOK_SECONDS / 10:
            return


def time_interleaved(
    case: Case,
    entries: Sequence[Entry],
    *,
    turns: int,
    order_seed: int = 0,
    report: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.perf_counter,
    rest: Callable[[], None] = wait_for_threads,
) -> list[Timed]:
    """One `Timed` for each runner, timed `turns` times, in the order of `entries`. Peaks are measured first."""
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
                rest()
            last = way.library
            runner.step()
            begun = clock()
            for _ in range(case.steps):
                runner.step()
            seconds[place].append((clock() - begun) / case.steps)
    return [Timed(way, tuple(found), peak) for (way, _), found, peak in zip(entries, seconds, peaks, strict=True)]
