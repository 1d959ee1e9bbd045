"""Schedules in segments: their traces, and what each recomputes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import (
    Backward,
    CheckpointError,
    Forward,
    Schedule,
    chain_of,
    every_nth,
    segmented,
    simulate,
    square_root,
    store_all,
)

n_layers_and_n = st.integers(1, 30).flatmap(lambda n_layers: st.tuples(st.just(n_layers), st.integers(1, n_layers + 3)))
n_layers_and_checkpoints = st.integers(1, 30).flatmap(
    lambda n_layers: st.tuples(
        st.just(n_layers), st.sets(st.integers(1, max(1, n_layers - 1))) if n_layers > 1 else st.just(set())
    )
)


def forwards(schedule: Schedule) -> list[int]:
    """How often each layer runs forward, 1 to L."""
    layers = [action.layer for action in schedule if isinstance(action, Forward)]
    return [layers.count(layer) for layer in range(1, schedule.n_layers + 1)]


def recomputed(schedule: Schedule) -> int:
    return simulate(schedule, chain_of([2] * (schedule.n_layers + 1), batch_size=3)).recomputed_layers


# Traces


@pytest.mark.parametrize(
    ("n_layers", "n", "trace"),
    [
        (1, 1, "F1 B1"),
        (1, 2, "F1 B1"),
        (2, 1, "F1* F2 B2 B1"),
        (2, 2, "F1* F2 B2 B1"),
        (3, 1, "F1* F2* F3 B3 B2 B1"),
        (3, 2, "F1 F2* F3 B3 F1* B2 B1"),
        (3, 3, "F1* F2* F3 B3 B2 B1"),
        (4, 2, "F1 F2* F3* F4 B4 B3 F1* B2 B1"),
        (4, 3, "F1 F2 F3* F4 B4 F1* F2* B3 B2 B1"),
        (5, 2, "F1 F2* F3 F4* F5 B5 F3* B4 B3 F1* B2 B1"),
        (6, 3, "F1 F2 F3* F4* F5* F6 B6 B5 B4 F1* F2* B3 B2 B1"),
        (7, 3, "F1 F2 F3* F4 F5 F6* F7 B7 F4* F5* B6 B5 B4 F1* F2* B3 B2 B1"),
        (4, 4, "F1* F2* F3* F4 B4 B3 B2 B1"),
        (4, 100, "F1* F2* F3* F4 B4 B3 B2 B1"),
    ],
)
def test_every_nth_is_traced(n_layers, n, trace):
    assert str(every_nth(n_layers=n_layers, n=n)) == trace


@pytest.mark.parametrize(
    ("n_layers", "checkpoints", "trace"),
    [
        (4, [], "F1* F2* F3* F4 B4 B3 B2 B1"),
        (4, [1], "F1* F2* F3* F4 B4 B3 B2 B1"),
        (4, [3], "F1 F2 F3* F4 B4 F1* F2* B3 B2 B1"),
        (5, [3, 1, 3], "F1* F2 F3* F4* F5 B5 B4 F2* B3 B2 B1"),
    ],
)
def test_segments_are_traced(n_layers, checkpoints, trace):
    assert str(segmented(n_layers=n_layers, checkpoints=checkpoints)) == trace


@pytest.mark.parametrize(("n_layers", "n"), [(1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (9, 3), (16, 4), (51, 7)])
def test_square_root_keeps_every_nth_for_the_nearest_n(n_layers, n):
    assert square_root(n_layers=n_layers).actions == every_nth(n_layers=n_layers, n=n).actions


def test_schedules_say_what_wrote_them():
    names = [every_nth(n_layers=9, n=n).name for n in (1, 2, 3, 4, 11, 22)]
    assert names == [f"every {nth} layer" for nth in ("1st", "2nd", "3rd", "4th", "11th", "22nd")]
    assert store_all(n_layers=3).name == "store all"
    assert square_root(n_layers=9).name == "sqrt (every 3rd layer)"


# What is recomputed


@given(n_layers_and_n)
def test_each_other_activation_is_recomputed_once_and_a_checkpoint_never(drawn):
    n_layers, n = drawn
    last_start = (n_layers - 1) // n * n
    wanted = [1 if layer % n == 0 or layer > last_start else 2 for layer in range(1, n_layers + 1)]
    assert forwards(every_nth(n_layers=n_layers, n=n)) == wanted


@given(n_layers_and_n)
def test_recomputed_layers_are_n_less_one_in_each_segment_but_the_last(drawn):
    n_layers, n = drawn
    assert recomputed(every_nth(n_layers=n_layers, n=n)) == (n - 1) * ((n_layers - 1) // n)


@given(n_layers_and_checkpoints)
def test_no_layer_runs_forward_more_than_twice(drawn):
    n_layers, checkpoints = drawn
    counts = forwards(segmented(n_layers=n_layers, checkpoints=checkpoints))
    last_start = max(checkpoints, default=0)
    assert counts == [1 if layer in checkpoints or layer > last_start else 2 for layer in range(1, n_layers + 1)]


@given(n_layers_and_checkpoints)
def test_last_segment_is_not_recomputed(drawn):
    n_layers, checkpoints = drawn
    schedule = segmented(n_layers=n_layers, checkpoints=checkpoints)
    assert set(forwards(schedule)[max(checkpoints, default=0) :]) == {1}


@given(n_layers_and_checkpoints)
def test_gradients_come_once_each_from_the_last_layer_to_the_first(drawn):
    n_layers, checkpoints = drawn
    schedule = segmented(n_layers=n_layers, checkpoints=checkpoints)
    backwards = [action.layer for action in schedule if isinstance(action, Backward)]
    assert backwards == list(range(n_layers, 0, -1))


@given(n_layers_and_checkpoints)
def test_peak_is_no_more_than_that_of_keeping_all(drawn):
    n_layers, checkpoints = drawn
    chain = chain_of([3] * (n_layers + 1), batch_size=50)
    peak = simulate(segmented(n_layers=n_layers, checkpoints=checkpoints), chain).peak_bytes
    assert peak <= simulate(store_all(n_layers=n_layers), chain).peak_bytes


@given(n_layers_and_n)
def test_keeping_every_layer_or_none_recomputes_nothing(drawn):
    n_layers, n = drawn
    kept_all = store_all(n_layers=n_layers).actions
    assert every_nth(n_layers=n_layers, n=1).actions == kept_all
    assert every_nth(n_layers=n_layers, n=n_layers + n).actions == kept_all


def test_square_root_needs_about_two_roots_of_activations():
    chain = chain_of([100] * 101, batch_size=1000)
    activation = chain.activation_bytes(1)
    peak = simulate(square_root(n_layers=100), chain).peak_bytes
    assert 18 * activation <= peak - chain.workspace_bytes(50) < 20 * activation
    assert simulate(store_all(n_layers=100), chain).peak_bytes > 100 * activation


# Errors


@pytest.mark.parametrize("n", [0, -1, 1.5, None, "2", float("nan")])
def test_n_below_one_or_no_whole_number_is_refused(n):
    with pytest.raises(CheckpointError, match="n of every n-th layer must be a whole number, 1 or more; got"):
        every_nth(n_layers=4, n=n)


@pytest.mark.parametrize("checkpoints", [[0], [4], [-1, 2], [2, 9]])
def test_checkpoints_outside_the_chain_are_refused(checkpoints):
    with pytest.raises(CheckpointError, match="checkpoints must be from 1 to 3; got"):
        segmented(n_layers=4, checkpoints=checkpoints)


@pytest.mark.parametrize(
    "write",
    [
        lambda n_layers: store_all(n_layers=n_layers),
        lambda n_layers: every_nth(n_layers=n_layers, n=1),
        lambda n_layers: square_root(n_layers=n_layers),
        lambda n_layers: segmented(n_layers=n_layers, checkpoints=[]),
    ],
    ids=["store_all", "every_nth", "square_root", "segmented"],
)
@pytest.mark.parametrize("n_layers", [0, -1])
def test_chain_without_layers_is_refused(write, n_layers):
    with pytest.raises(CheckpointError, match=f"n_layers must be a whole number, 1 or more; got {n_layers}"):
        write(n_layers)
