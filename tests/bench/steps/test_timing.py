"""Turns take every runner once, and ratios are of the same turn. Nothing here asserts a speed."""

from itertools import pairwise

from bench.steps.runner import Runner
from bench.steps.timing import MOST_LOOKS, order_of, time_interleaved, wait_for_threads
from bench.steps.ways import CONTROL, PLAIN, Way
from tests.bench.steps.rows import TINY, timed


def entries(log: list[str], libraries: dict[str, str]) -> list[tuple[Way, Runner]]:
    def entry(name: str, library: str) -> tuple[Way, Runner]:
        return Way(name, "ours", library), Runner(name, "ours", lambda: log.append(name), lambda: 7)

    return [entry(name, library) for name, library in libraries.items()]


def test_each_turn_takes_every_runner_once_after_a_step_that_is_not_timed() -> None:
    log: list[str] = []
    found = entries(log, dict.fromkeys("abcd", "numpy"))
    rows = time_interleaved(TINY, found, turns=3, rest=lambda: None)
    per_runner = 1 + TINY.steps
    assert len(log) == 3 * 4 * per_runner
    blocks = [log[start : start + per_runner] for start in range(0, len(log), per_runner)]
    assert all(len(set(block)) == 1 for block in blocks)
    for turn in range(3):
        assert sorted(block[0] for block in blocks[4 * turn : 4 * turn + 4]) == list("abcd")
    assert [row.way.name for row in rows] == list("abcd")
    assert {len(row.turns) for row in rows} == {3}
    assert {row.peak_bytes for row in rows} == {7}


def test_threads_of_another_library_are_waited_for_and_its_own_are_not() -> None:
    log: list[str] = []
    found = entries(log, {"a": "numpy", "b": "numpy", "c": "torch", "d": "jax"})

    time_interleaved(TINY, found, turns=6, rest=lambda: log.append("sleep"))
    library = {way.name: way.library for way, _ in found}
    taken = log[log.index("sleep") + 1 :]
    for place, name in enumerate(taken[1:-1], start=1):
        before, after = taken[place - 1], taken[place + 1]
        if name == "sleep":
            assert library[before] != library[after]
        elif after != "sleep":
            assert library[name] == library[after]


def test_threads_are_waited_for_while_they_use_the_processor_and_not_for_ever() -> None:
    spinning, slept = iter([0.0, 0.02, 0.02, 0.04, 0.04, 0.04]), []
    wait_for_threads(sleep=slept.append, used=lambda: next(spinning))
    assert len(slept) == 3
    for_ever, slept = iter(range(1000)), []
    wait_for_threads(sleep=slept.append, used=lambda: float(next(for_ever)))
    assert len(slept) == MOST_LOOKS


def test_no_runner_always_follows_the_same_one() -> None:
    followed = {after: set() for after in range(6)}
    for turn in range(10):
        for before, after in pairwise(order_of(turn, 6, seed=0)):
            followed[after].add(before)
    assert all(len(neighbours) > 2 for neighbours in followed.values())
    assert [order_of(turn, 6, seed=0) for turn in range(5)] != [order_of(turn, 6, seed=1) for turn in range(5)]


def test_ratio_is_the_median_of_the_turns_ratios_and_not_the_ratio_of_medians() -> None:
    control, own = timed(CONTROL, 1.0, 10.0, 2.0), timed(PLAIN, 2.0, 10.0, 6.0)
    assert own.ratio_to(control) == 2.0
    assert own.seconds / control.seconds == 3.0


def test_seconds_are_of_one_step() -> None:
    ticks = iter([0.0, 3.0])
    row = time_interleaved(TINY, entries([], {"a": "numpy"}), turns=1, clock=lambda: next(ticks), rest=lambda: None)[0]
    assert row.seconds == 1.5
