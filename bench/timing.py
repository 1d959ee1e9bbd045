"""Interleaved timing: each turn takes every runner once, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cases import Case
from bench.runners import Runner


@dataclass(frozen=True, slots=True)
class Timed:
    """A runner, its median seconds a step, the median of its ratio to the control in the same turn, and its peak."""

    runner: Runner
    seconds: float
    ratio: float
    peak_bytes: int | None


def time_interleaved(
    case: Case, runners: Sequence[Runner], *, turns: int, report: Callable[[str], None] = lambda text: None
) -> list[Timed]:
    """Time every runner `turns` times; the first of `runners` is the control that ratios are to.

    Before each timing the runner takes a step that is not timed: another's threads may still be spinning, and its own
    memory may be cold.
    """
    seconds: list[list[float]] = [[] for _ in runners]
    peaks = []
    for runner in runners:
        runner.step()
        peaks.append(runner.peak_bytes())
    for turn in range(turns):
        report(f"{case.name}: turn {turn + 1} of {turns}")
        for runner, found in zip(runners, seconds, strict=True):
            runner.step()
            begun = time.perf_counter()
            for _ in range(case.steps):
                runner.step()
            found.append((time.perf_counter() - begun) / case.steps)
    return [
        Timed(
            runner,
            statistics.median(found),
            statistics.median(own / base for own, base in zip(found, seconds[0], strict=True)),
            peak,
        )
        for runner, found, peak in zip(runners, seconds, peaks, strict=True)
    ]
