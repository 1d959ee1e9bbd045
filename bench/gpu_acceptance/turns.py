"""Timing on a GPU in turns that take each step once: a GPU that slows down when warm slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TURNS = 7

QUIET_SPREAD = 0.2
"""The same work takes this much longer at times where nothing else runs, at most: clocks and temperature."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """What a step took in each turn."""

    turns: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that is told."""
        return statistics.median(self.turns)

    @property
    def spread(self) -> float:
        """From the second shortest turn to the second longest, as a share of the median: one outlier is no one else."""
        ordered = sorted(self.turns)
        inner = ordered[1:-1] if len(ordered) > 2 else ordered
        return (inner[-1] - inner[0]) / self.median

    @property
    def is_quiet(self) -> bool:
        """Whether the turns took about as long, as they do where nothing else uses the GPU."""
        return self.spread <= QUIET_SPREAD


def seconds_of(steps: Mapping[str, Callable[[], None]], *, deadline: float) -> dict[str, Seconds]:
    """The seconds of each step, which must end in a synchronise, in several turns.

    No turn but the first begins after `deadline`, in the seconds of `time.monotonic`.
    """
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(TURNS):
        if turn and time.monotonic() > deadline:
            break
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            found[name].append(time.perf_counter() - begun)
    return {name: Seconds(tuple(values)) for name, values in found.items()}
