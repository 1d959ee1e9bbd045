"""Binomial checkpointing: the fewest layer runs with a number of slots, for layers that cost alike.

A slot holds an activation beside the error: the one that a run is at, or one that is kept to run from later. The input
is always held and takes none. With one slot every activation is run to from the input; with two, one is kept on the
way; with L nothing is recomputed. Class: all schedules within the slots, for equal layers.

Griewank and Walther 2000, Algorithm 799: revolve. For n steps and s checkpoints they count t(n, s) = r n - C(s+r, r-1)
forward runs, r the integer with C(s+r-1, r-1) < n <= C(s+r, r); the starting state is one of their checkpoints, and
each step's state is visited. Here the states are a_0 to a_L, so the count is t(L + 1, s), and theirs for the starting
state is the slot that a run is at.
"""

from collections.abc import Iterator
from functools import cache
from math import comb

from checkpoint.arguments import whole_number
from checkpoint.schedule.actions import Action, Backward
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies.segments import check_n_layers
from checkpoint.strategies.sweeps import sweep


def binomial(*, n_layers: int, slots: int) -> Schedule:
    """The schedule with the fewest runs within `slots` slots.

    Raises `CheckpointError` for `slots` below 1.

    >>> print(binomial(n_layers=4, slots=2))
    F1 F2* F3 F4* F3* B4 B3 F1* B2 B1
    """
    n_layers, slots = check_n_layers(n_layers), whole_number("slots", slots)
    return Schedule(n_layers, tuple(_actions(n_layers, min(slots, n_layers))), f"binomial, {slots} slots")


def forward_runs(*, n_layers: int, slots: int) -> int:
    """How often layers run forward in all: t(n_layers + 1, slots).

    >>> [forward_runs(n_layers=256, slots=slots) for slots in (1, 2, 3, 5, 8, 10)]
    [32896, 3630, 1855, 1080, 808, 693]
    """
    if n_layers == 0:
        return 0
    n = n_layers + 1
    repetitions = 1
    while comb(slots + repetitions, repetitions) < n:
        repetitions += 1
    return repetitions * n - comb(slots + repetitions, repetitions - 1)


@cache
def split(n: int, slots: int) -> int:
    """How many layers to run before keeping an activation, where n activations behind a held one are to be visited.

    >>> split(5, 1), split(5, 5), split(5, 2)
    (5, 1, 3)
    """
    if slots == 1:
        return n
    low, high = 1, n
    while low < high:  # the runs are convex in the place
        middle = (low + high) // 2
        if _runs(n, slots, middle) <= _runs(n, slots, middle + 1):
            high = middle
        else:
            low = middle + 1
    return low


def _runs(n: int, slots: int, place: int) -> int:
    behind = forward_runs(n_layers=n - place, slots=slots - 1)
    return place + behind + forward_runs(n_layers=place - 1, slots=slots)


def _actions(n_layers: int, slots: int) -> Iterator[Action]:
    waiting: list[tuple[int, int, int] | Backward] = [Backward(1), (0, n_layers, slots)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Backward):
            yield item
            continue
        start, n, left = item  # visit the n activations behind a_start, the last first
        if n == 0:
            continue
        place = split(n, left)
        yield from sweep(start, start + place)
        waiting.append((start, place - 1, left))
        if start + place < n_layers:
            waiting.append(Backward(start + place + 1))
        waiting.append((start + place, n - place, left - 1))
