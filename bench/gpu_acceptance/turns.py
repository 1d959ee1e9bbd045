"""Timing on a GPU in turns that take each step once: a GPU that slows down when warm slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

from tqdm import tqdm

TURNS = 7


def median_seconds(steps: Mapping[str, Callable[[], None]], *, title: str, deadline: float) -> dict[str, float]:
    """The median seconds of each step; every step must end in a synchronise.

    No turn but the first begins after `deadline`, in the seconds of `time.monotonic`.
    """
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in tqdm(range(TURNS), desc=title, unit="turn", leave=False, disable=None):
        if turn and time.monotonic() > deadline:
            break
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            found[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in found.items()}
