"""The simulator: bytes and operations counted by hand, and schedules that it must reject."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import (
    Action,
    Chain,
    Forward,
    NetworkWithCheckpointing,
    Release,
    Schedule,
    ScheduleError,
    chain_of,
    every_nth,
    simulate,
    store_all,
)
from tests.conftest import VARIANT, Case, cases, gradients_of

CHAIN = Chain((4, 3, 2), 5)


def written(text: str) -> tuple[Action, ...]:
    """Actions from text such as "F1 F2 B2[0:3]"."""
    record = '{"format": "mlp-checkpointing schedule 1", "name": "", "n_layers": 1, "batch_size": null, "actions": %s}'
    return Schedule.from_json(record % str(text.split()).replace("'", '"')).actions


# What a schedule costs


def test_bytes_of_plain_backpropagation_are_those_counted_by_hand():
    simulation = simulate(store_all(n_layers=2), CHAIN)
    a_1, a_2 = 5 * 3 * 4, 5 * 2 * 4
    workspace_2, workspace_1 = (3 * 2 + 2 + 5 * 3) * 4, (4 * 3 + 3) * 4
    assert simulation.bytes_after == (a_1, a_1 + a_2, a_1, 0)
    assert simulation.peaks == (a_1, a_1 + a_2, a_1 + a_2 + workspace_2, a_1 + workspace_1)
    assert simulation.peak_bytes == a_1 + a_2 + workspace_2
    assert simulation.recomputed == (False, False, False, False)
    assert simulation.recomputed_layers == simulation.recomputed_flops == simulation.recompute_fraction == 0
    assert simulation.forward_flops == 2 * 5 * (4 * 3 + 3 * 2)


def test_bytes_of_recomputation_are_those_counted_by_hand():
    simulation = simulate(Schedule(3, written("F1 F2 D1 F3 B3 F1 B2 B1")), chain_of([4, 3, 3, 2], batch_size=5))
    a, a_3 = 5 * 3 * 4, 5 * 2 * 4
    assert simulation.bytes_after == (a, 2 * a, a, a + a_3, a, 2 * a, a, 0)
    assert simulation.recomputed == (False, False, False, False, False, True, False, False)
    assert simulation.recomputed_layers == 1
    assert simulation.recomputed_flops == 2 * 5 * 4 * 3
    assert simulation.recompute_fraction == (4 * 3) / (4 * 3 + 3 * 3 + 3 * 2)


def test_bytes_of_row_blocks_are_those_counted_by_hand():
    actions = written("F1[0:3] F2[0:3] B2[0:3] B1[0:3] F1[3:5] F2[3:5] B2[3:5] B1[3:5]")
    simulation = simulate(Schedule(2, actions, batch_size=5), CHAIN)
    gradients = (3 * 2 + 2) * 4, (4 * 3 + 3) * 4
    whole = sum(gradients)
    assert simulation.bytes_after[:4] == (36, 60, 36 + gradients[0], whole)
    assert simulation.bytes_after[4:] == (whole + 24, whole + 40, whole + 24 - gradients[0], 0)
    assert simulation.peaks[2] == 60 + gradients[0] + 3 * 3 * 4
    assert simulation.recomputed_layers == 0


def test_rows_run_again_count_as_whole_layers_rounded_up():
    actions = written("F1 F2[0:3] D2[0:3] F2[0:3] B2[0:3] F2[3:5] B2[3:5] B1")
    simulation = simulate(Schedule(2, actions, batch_size=5), CHAIN)
    assert simulation.recomputed == (False, False, False, True, False, False, False, False)
    assert simulation.recomputed_layers == 1
    assert simulation.recomputed_flops == 2 * 3 * 3 * 2


@given(case=cases(), n=st.integers(1, 9))
def test_peak_is_the_largest_of_the_peaks_and_nothing_is_left(case, n):
    chain = chain_of(case.sizes, batch_size=case.batch_size)
    simulation = simulate(every_nth(n_layers=case.n_layers, n=n), chain)
    assert simulation.peak_bytes == max(simulation.peaks)
    assert all(peak >= after for peak, after in zip(simulation.peaks, simulation.bytes_after, strict=True))
    assert simulation.bytes_after[-1] == 0


# Schedules that cannot be run

REJECTED = {
    "a layer is skipped": ("F1 F3 B3 B2 B1", 1, r"F3: a_2 is not held \(held: a_0, a_1\).*recompute"),
    "an input was never made": ("F2 B2 B1", 0, "F2: a_1 is not held"),
    "a released input runs forward": ("F1 D1 F2 F3 B3 B2 B1", 2, "F2: a_1 is not held"),
    "a released input goes backward": ("F1 F2 D1 F3 B3 B2 B1", 5, "B2: a_1 is not held"),
    "what is not held is released": ("F1 D2", 1, "D2: a_2 is not held"),
    "it is released twice": ("F1 F2 D1 D1 F3 B3 B2 B1", 3, "D1: a_1 is not held"),
    "the input is released": ("D0 F1", 0, "D0: there is no layer 0, only 1 to 3"),
    "a gradient comes twice": ("F1 F2 F3 B3 B3 B2 B1", 4, "B3: .*rows up to 5 of layer 3 have gone backward before"),
    "a gradient comes again later": ("F1 F2 F3 B3 B2 F2 B3 B1", 5, "F2: layer 2 has gone backward"),
    "a gradient comes too early": ("F1 F2 F3 B2 B3 B1", 3, "B2: the error of layer 2 is not held; layer 3 must"),
    "the error was released": ("F1 F2 F3 B3 D2 F2 B2 B1", 6, "B2: the error of layer 2 is not held"),
    "the output was released": ("F1 F2 F3 D3 B3 B2 B1", 4, "B3: a_3 is not held"),
    "a layer runs after its backward": ("F1 F2 F3 B3 B2 F1", 5, "F1: a_1 is held already"),
    "a layer runs after it has learned": ("F1 F2 F3 B3 F3 B2 B1", 4, "F3: layer 3 has gone backward and its weights"),
    "an error runs forward": ("F1 F2 F3 B3 B2 F2 B1", 5, "F2: layer 2 has gone backward"),
    "a layer runs while it is held": ("F1 F1 F2 F3 B3 B2 B1", 1, "F1: a_1 is held already; release it"),
    "there is no such layer": ("F1 F2 F3 F4", 3, "F4: there is no layer 4, only 1 to 3"),
    "rows are beyond the mini-batch": ("F1[0:6]", 0, r"F1\[0:6\]: rows 0:6 are not rows of a mini-batch of 5"),
    "rows are none": ("F1[2:2]", 0, "rows 2:2 are not rows"),
    "rows are backwards": ("F1[3:1]", 0, "rows 3:1 are not rows"),
    "rows are out of order": (
        "F1 F2 F3[2:5] B3[2:5]",
        3,
        r"B3\[2:5\]: rows 0:2 of layer 3 must go backward first",
    ),
    "rows come twice": ("F1 F2 F3 B3[0:3] B3[2:5]", 4, r"B3\[2:5\]: rows up to 3 of layer 3 have gone backward"),
    "rows are left out": ("F1 F2 F3 B3[0:2] B3[3:5]", 4, r"B3\[3:5\]: rows 2:3 of layer 3 must go backward first"),
    "rows of the input are not held": ("F1[0:2] F2", 1, "F2: a_1 is not held"),
    "rows have become the error": ("F1 F2 F3 B3[0:2] F3[2:5]", 4, "a_3 is held already"),
    "rows run forward that are the error": (
        "F1 F2 F3[0:2] B3[0:2] F3[0:2]",
        4,
        "F3.*a_2 has become the error of layer 2; it must be used before",
    ),
    "rows of an array for all do not begin at 0": ("F1[2:5]+", 0, r"F1\[2:5\]\+: rows 2:5 of a_1 do not follow"),
    "rows of an array for all are left out": ("F1[0:2]+ F1[3:5]+", 1, "rows 3:5 of a_1 do not follow those made"),
    "rows of an array for all come twice": ("F1[0:2]+ F1[0:2]+", 1, "a_1 is held already"),
    "rows are put in an array for some": ("F1[0:2] F1[2:5]+ F2", 1, r"F1.*a_1 is held for rows 0:2 alone"),
    "rows are used before they are made": ("F1[0:2]+ F2", 1, "F2: rows 2:5 of a_1 have not been made yet"),
    "an array for all is let go half made": ("F1[0:2]+ D1", 1, "D1: rows 2:5 of a_1 have not been made yet"),
    "rows are held that cannot become the error": (
        "F1 F2[0:2] F3[0:2] B3[0:2] D2[0:2] F2 F3[2:5] B3[2:5] B2 B1",
        7,
        "B3.*rows 0:2 of a_2 are held and can no longer become the error",
    ),
    "rows are released apart": ("F1 F2 D1[0:2]", 2, "rows 0:5 of a_1 are held; they can only be released together"),
}


@pytest.mark.parametrize(("text", "position", "message"), REJECTED.values(), ids=REJECTED.keys())
def test_schedule_is_rejected_at_the_action_when(text, position, message):
    schedule = Schedule(3, written(text), batch_size=5)
    with pytest.raises(ScheduleError, match=f"^action {position}, .*{message}") as caught:
        simulate(schedule, chain_of([4, 3, 3, 2], batch_size=5))
    assert (caught.value.position, caught.value.action) == (position, schedule.actions[position])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "layer 1 has not gone backward at the end"),
        ("F1 F2 F3", "layer 1 has not gone backward at the end; its gradient is missing"),
        ("F1 F2 F3 B3 B2", "layer 1 has not gone backward"),
        ("F1 F2 F3 B3[0:3] B2[0:3] B1[0:3]", "layer 1 has not gone backward"),
    ],
)
def test_schedule_is_rejected_whose_gradients_are_not_all_made(text, message):
    with pytest.raises(ScheduleError, match=message) as caught:
        simulate(Schedule(3, written(text), batch_size=5), chain_of([4, 3, 3, 2], batch_size=5))
    assert caught.value.position is None


def test_schedule_for_another_number_of_layers_is_rejected():
    with pytest.raises(ScheduleError, match="the schedule is for 3 layers, the chain has 2"):
        simulate(store_all(n_layers=3), CHAIN)


def test_schedule_for_fewer_rows_is_rejected():
    with pytest.raises(ScheduleError, match="row blocks are for 4 rows, the mini-batch has 5"):
        simulate(Schedule(2, written("F1 F2 B2[0:4] B1[0:4]"), batch_size=4), CHAIN)


# The judge is right: what it accepts can be run, and gives plain backpropagation's gradients

BASES = [
    "F1 F2 F3 B3 B2 B1",
    "F1 F2 D1 F3 B3 F1 B2 B1",
    "F1 F2 D1 F3 D2 F1 F2 D1 B3 F1 B2 B1",
    "F1 F2[0:2] F3[0:2] B3[0:2] B2[0:2] F2[2:5] F3[2:5] B3[2:5] B2[2:5] B1",
    "F1 F2 F3[0:2] B3[0:2] F3[2:5] B3[2:5] D1 F1 B2 B1[0:3] B1[3:5]",
    "F1[0:3] F2[0:3]+ D1[0:3] F1[3:5] F2[3:5]+ D1[3:5] F3 B3 F1 B2 B1",
    "F1 F2[0:2]+ F3[0:2] B3[0:2] F2[2:5]+ F3[2:5] B3[2:5] B2 B1",
    "F1[0:3] F2[0:3] F3[0:3] B3[0:3] B2[0:3] B1[0:3] F1[3:5] F2[3:5] F3[3:5] B3[3:5] B2[3:5] B1[3:5]",
]


@st.composite
def changed_schedules(draw: st.DrawFn) -> Schedule:
    """A schedule that runs, with up to three actions moved, left out, repeated or put in."""
    actions = list(written(draw(st.sampled_from(BASES))))
    for _ in range(draw(st.integers(1, 3))):
        place, other = (draw(st.integers(0, len(actions) - 1)) for _ in range(2))
        change = draw(st.sampled_from(("move", "leave out", "repeat", "run again")))
        if change == "move":
            actions.insert(other, actions.pop(place))
        elif change == "leave out" and len(actions) > 1:
            actions.pop(place)
        elif change == "repeat":
            actions.insert(other, actions[place])
        else:
            actions[place:place] = [Release(actions[place].layer), Forward(actions[place].layer)]
    return Schedule(3, tuple(actions), batch_size=5)


RUN = Case((4, 3, 3, 2), 5, "tanh", seed=4)


def runs_rightly(schedule: Schedule) -> bool:
    """Whether a schedule that the simulator accepts gives plain gradients in the bytes predicted; False if rejected."""
    chain = chain_of(RUN.sizes, batch_size=5, dtype="float64", backend=VARIANT)
    try:
        simulation = simulate(schedule, chain)
    except ScheduleError:
        return False
    plain = RUN.network("numpy", "float64")
    network = RUN.network("numpy", "float64", NetworkWithCheckpointing, schedule=schedule)
    X, y = RUN.host_batch("float64")
    for gradient, wanted in zip(gradients_of(network, X, y), gradients_of(plain, X, y), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-15)
    with network.backend.measure() as usage, network.observing(lambda *_: usage.mark()):
        network.update_mini_batch(X, y, eta=0.1)
    assert tuple(usage.marks) == simulation.bytes_after
    assert (usage.peak_bytes, usage.end_bytes) == (simulation.peak_bytes, 0)
    return True


@pytest.mark.parametrize("text", BASES)
def test_schedule_that_is_accepted_runs_rightly(text):
    assert runs_rightly(Schedule(3, written(text), batch_size=5))


@given(changed_schedules())
def test_changed_schedule_is_rejected_or_runs_rightly(schedule):
    runs_rightly(schedule)


@pytest.mark.parametrize("place", range(8))
def test_no_action_can_be_left_out(place):
    actions = written("F1 F2 D1 F3 B3 F1 B2 B1")
    assert not runs_rightly(Schedule(3, actions[:place] + actions[place + 1 :], batch_size=5))
