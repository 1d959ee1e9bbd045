"""Binomial schedules against the counts of the literature."""

from functools import cache
from math import comb

import pytest

from checkpoint import CheckpointError, Forward, binomial, chain_of, simulate
from checkpoint.strategies.binomial import split


def t(n: int, s: int) -> int:
    """Griewank and Walther's count, written down from the paper."""
    r = next(r for r in range(n + 1) if n <= comb(s + r, r))
    return r * n - comb(s + r, r - 1) if r else 0


@cache
def runs_of_splits(n_layers: int, slots: int) -> int:
    if n_layers == 0:
        return 0
    place = split(n_layers, slots)
    behind = runs_of_splits(n_layers - place, slots - 1) if place < n_layers else 0
    return place + behind + runs_of_splits(place - 1, slots)


@pytest.mark.parametrize("slots", range(1, 31))
def test_runs_equal_the_closed_form_up_to_300_layers(slots: int) -> None:
    assert all(runs_of_splits(n, min(slots, n)) == t(n + 1, slots) for n in range(1, 301))


@pytest.mark.parametrize(("n_layers", "expected"), [(5, [15, 8, 7, 5, 5, 5]), (20, [210, 70, 49, 35, 32, 30])])
def test_known_values(n_layers: int, expected: list[int]) -> None:
    assert [t(n_layers + 1, slots) for slots in (1, 2, 3, 5, 8, 10)] == expected


@pytest.mark.parametrize("n_layers", [1, 2, 3, 7, 20, 60])
@pytest.mark.parametrize("slots", [1, 2, 3, 5, 30])
def test_schedules_run_and_hold_what_was_counted(n_layers: int, slots: int) -> None:
    schedule = binomial(n_layers=n_layers, slots=slots)
    chain = chain_of([3] * (n_layers + 1), batch_size=100_000)
    simulation = simulate(schedule, chain)
    runs = sum(isinstance(action, Forward) for action in schedule)
    assert runs == t(n_layers + 1, slots)
    assert simulation.recomputed_layers == runs - n_layers
    held = max(simulation.bytes_after) // chain.activation_bytes(1)
    assert held <= slots + 2  # the error, and the activation that a run comes from while it makes the next


def test_a_trace() -> None:
    assert str(binomial(n_layers=4, slots=2)) == "F1 F2* F3 F4* F3* B4 B3 F1* B2 B1"


@pytest.mark.parametrize("slots", [0, -1, 1.5])
def test_slots_must_be_a_count(slots: int) -> None:
    with pytest.raises(CheckpointError, match="slot"):
        binomial(n_layers=4, slots=slots)
