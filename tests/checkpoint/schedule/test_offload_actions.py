"""Offload and fetch as actions: what they hold, what is refused, and how they are written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import CheckpointError, Fetch, Offload, Schedule, ScheduleError, chain_of, simulate
from checkpoint.schedule.export import to_checkpoint_schedules
from tests.checkpoint.schedule.test_schedule import GOOD
from tests.checkpoint.schedule.test_simulation import written

CHAIN = chain_of([4, 3, 3, 2], batch_size=5)
A, A_3 = 5 * 3 * 4, 5 * 2 * 4


def of(text: str) -> Schedule:
    return Schedule(3, written(text))


def test_bytes_are_those_counted_by_hand() -> None:
    simulation = simulate(of("F1 O1 F2 D1 F3 P1 B3 B2 B1"), CHAIN)
    assert simulation.bytes_after == (A, A, 2 * A, A, A + A_3, 2 * A + A_3, 2 * A, A, 0)
    assert (simulation.offloaded_bytes, simulation.host_peak_bytes) == (A, A)
    assert simulation.recomputed_layers == 0


def test_device_bytes_are_rounded_up_and_the_host_s_are_not() -> None:
    chain = chain_of([4, 3, 3, 2], batch_size=5, backend="cupy")
    simulation = simulate(of("F1 O1 F2 O2 D1 F3 D2 P2 B3 P1 B2 B1"), chain)
    assert simulation.bytes_after[:7] == (512, 512, 1024, 1024, 512, 1024, 512)
    assert (simulation.offloaded_bytes, simulation.host_peak_bytes) == (2 * A, 2 * A)


def test_host_peak_is_what_is_there_at_once() -> None:
    simulation = simulate(of("F1 O1 D1 P1 F2 O2 D2 P2 F3 B3 B2 B1"), CHAIN)
    assert (simulation.offloaded_bytes, simulation.host_peak_bytes) == (2 * A, A)


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        ("O1", "action 0, O1: a_1 is not held"),
        ("F1 O1 O1", "action 2, O1: a_1 is on the host already"),
        ("F1 O1 P1", "action 2, P1: a_1 is held already; release it"),
        ("F1 P1", r"action 1, P1: a_1 is not on the host \(it has: none\)"),
        ("F1 F2 O2 D2 P1", r"it has: a_2"),
        ("F1 O1 D1 P1 D1 P1", "action 5, P1: a_1 is not on the host"),
        ("F1 O1 F2 F3 B3 B2", "action 5, B2: a_1 is on the host as well"),
        ("F1 F2 F3 O3 B3", "action 4, B3: a_3 is on the host as well"),
        ("F1 F2 F3 B3 O2", "action 4, O2: a_2 has become the error"),
        ("F1 O1 F2 D1 F1 F3 B3 B2", "a_1 is on the host as well"),
        ("F1 O1 F2 D1 F3 B3 B2", "a_1 is not held"),
        ("F4 O4", "there is no layer 4"),
        ("F1 O0", "there is no layer 0"),
    ],
)
def test_what_cannot_be_run_is_refused(actions: str, problem: str) -> None:
    with pytest.raises(ScheduleError, match=problem):
        simulate(of(actions), CHAIN)


def test_rows_of_an_activation_are_not_offloaded() -> None:
    with pytest.raises(ScheduleError, match="a_1 is not held"):
        simulate(Schedule(3, written("F1[0:2] O1"), batch_size=5), CHAIN)


def test_activation_that_is_not_made_yet_is_not_offloaded() -> None:
    with pytest.raises(ScheduleError, match="have not been made yet"):
        simulate(Schedule(3, written("F1[0:2]+ O1"), batch_size=5), CHAIN)


@pytest.mark.parametrize(
    "actions",
    ["F1 O1 F2 D1 F1 F3 B3 B2 B1", "F1 O1 F2 D1 F3 B3 B2 B1", "F1 F2 F3 O3 D3 F3 B3 B2 B1", "F1 O1 F2 F3 B3 B2"],
)
def test_nothing_can_be_left_on_the_host(actions: str) -> None:
    with pytest.raises(ScheduleError, match=r"on the host as well|is not held"):
        simulate(of(actions), CHAIN)


def test_offload_goes_with_row_blocks_of_other_layers() -> None:
    actions = "F1 O1 F2 D1 F3[0:2] B3[0:2] F3[2:5] B3[2:5] P1 B2 B1"
    whole = Schedule(3, written(actions), batch_size=5)
    assert simulate(whole, CHAIN).offloaded_bytes == A
    smaller = whole.for_batch(2)
    assert str(smaller.actions[1]) == "O1"
    assert simulate(smaller, chain_of([4, 3, 3, 2], batch_size=2)).offloaded_bytes == 2 * 3 * 4


# Text and JSON


def test_actions_are_shown_by_a_letter_and_their_layer() -> None:
    assert (str(Offload(3)), str(Fetch(12))) == ("O3", "P12")
    assert str(of("F1 O1 F2 D1 F3 P1 B3 B2 B1")) == "F1* O1 F2* D1 F3* P1 B3 B2 B1"


@given(st.lists(st.builds(lambda kind, layer: kind(layer), st.sampled_from((Offload, Fetch)), st.integers(0, 99))))
def test_schedule_written_is_read_back(actions: list[Offload | Fetch]) -> None:
    schedule = Schedule(5, tuple(actions))
    assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize("action", ["O1[0:2]", "P1[0:2]", "O1+", "O", "P-1", "o1"])
def test_hostile_action_is_refused(action: str) -> None:
    with pytest.raises(ScheduleError, match="action 0"):
        Schedule.from_json(json.dumps({**GOOD, "actions": [action]}))


def test_schedule_that_offloads_is_not_exported() -> None:
    with pytest.raises(CheckpointError, match="a schedule that offloads is not exported"):
        to_checkpoint_schedules(of("F1 O1 F2 D1 F3 P1 B3 B2 B1"))
