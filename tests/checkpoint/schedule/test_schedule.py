"""Schedules as data: text, JSON that may be hostile, and cutting to a smaller mini-batch."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import (
    Backward,
    CheckpointError,
    Forward,
    Release,
    Schedule,
    ScheduleError,
    chain_of,
    every_nth,
    micro_batches,
    simulate,
)
from checkpoint.schedule.chain import MAX_ROWS
from checkpoint.schedule.schedule import FORMAT
from mlp.pieces import PIECES

rows = st.none() | st.tuples(st.integers(0, 50), st.integers(0, 50))
actions = st.builds(
    lambda kind, layer, rows: kind(layer, rows), st.sampled_from((Forward, Release, Backward)), st.integers(0, 99), rows
)
schedules = st.builds(
    Schedule,
    n_layers=st.integers(1, 99),
    actions=st.lists(actions, max_size=20).map(tuple),
    name=st.text(max_size=10),
    batch_size=st.none() | st.integers(1, 60),
    pieces=st.sampled_from(PIECES),
    planned_rows=st.none() | st.integers(1, 60),
)

GOOD = json.loads(every_nth(n_layers=5, n=2).to_json())
"""A record that is read; what is wrong with others is one change to it."""


# Text


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        ((), ""),
        ((Forward(1), Backward(1)), "F1 B1"),
        ((Forward(1), Forward(2), Release(1), Backward(2)), "F1 F2 B2"),
        ((Forward(1), Forward(2), Backward(2)), "F1* F2 B2"),
        ((Forward(1), Release(1)), "F1* D1"),
        ((Forward(1), Forward(2), Forward(3), Release(1)), "F1* F2* F3* D1"),
        ((Forward(1, (0, 2)), Backward(1, (0, 2))), "F1[0:2] B1[0:2]"),
        ((Forward(1, (0, 2)), Forward(2, (0, 2)), Release(1, (0, 2))), "F1[0:2] F2[0:2]*"),
        ((Forward(1, (0, 2), whole=True), Forward(1, (2, 4), whole=True), Backward(1)), "F1[0:2]+* F1[2:4]+* B1"),
    ],
)
def test_schedule_is_shown_shortly(actions, text):
    assert str(Schedule(3, actions)) == text


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (Forward(3), "F3"),
        (Release(3), "D3"),
        (Backward(3), "B3"),
        (Backward(12, (0, 128)), "B12[0:128]"),
        (Forward(2, (0, 8), whole=True), "F2[0:8]+"),
    ],
)
def test_action_is_shown_by_a_letter_its_layer_and_rows(action, text):
    assert str(action) == text


def test_schedule_is_a_sequence_of_actions_and_cannot_be_changed():
    schedule = Schedule(1, (Forward(1), Backward(1)))
    assert list(schedule) == [Forward(1), Backward(1)]
    assert len(schedule) == 2
    with pytest.raises(AttributeError):
        schedule.n_layers = 2
    with pytest.raises(AttributeError):
        schedule.actions[0].layer = 2


# JSON


@given(schedules)
def test_schedule_written_is_read_back(schedule):
    assert Schedule.from_json(schedule.to_json()) == schedule


def read(text: str) -> str:
    """The error of reading `text`; nothing but a ScheduleError may come out of it."""
    with pytest.raises(ScheduleError) as caught:
        Schedule.from_json(text)
    assert len(str(caught.value)) < 250
    return str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=60))
def test_text_that_is_no_schedule_is_refused(text):
    read(text)


@given(json_values)
def test_json_that_is_no_schedule_is_refused(value):
    read(json.dumps(value))


@given(st.sampled_from(["format", "name", "n_layers", "actions"]), json_values)
def test_record_with_one_wrong_value_is_read_or_refused(key, value):
    try:
        schedule = Schedule.from_json(json.dumps(GOOD | {key: value}))
    except ScheduleError:
        return
    assert isinstance(schedule.name, str)
    assert schedule.n_layers >= 1


@given(st.data())
def test_record_with_one_wrong_action_is_refused(data):
    value = data.draw(json_values.filter(lambda value: not isinstance(value, str)) | st.text(max_size=12))
    assert "action 3 must be like" in read(json.dumps(GOOD | {"actions": [*GOOD["actions"][:3], value]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "mlp-checkpointing schedule 2"}, "format"),
        ({"n_layers": 0}, "n_layers must be a whole number, 1 or more"),
        ({"n_layers": True}, "n_layers must be"),
        ({"n_layers": 5.0}, "n_layers must be"),
        ({"n_layers": None}, "n_layers must be"),
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more"),
        ({"batch_size": "5"}, "batch_size must be"),
        ({"planned_rows": 0}, "planned_rows must be a whole number"),
        ({"planned_rows": 2.5}, "planned_rows must be"),
        ({"name": None}, "name must be a string"),
        ({"actions": "F1 B1"}, "actions must be a list"),
        ({"actions": {"0": "F1"}}, "actions must be a list"),
        ({"actions": ["F1", "X1"]}, "action 1 must be like.*'X1'"),
        ({"actions": ["F1 "]}, "action 0"),
        ({"actions": ["F1\n"]}, "action 0"),
        ({"actions": ["F-1"]}, "action 0"),
        ({"actions": ["F1[0:]"]}, "action 0"),
        ({"actions": ["F1[2:-1]"]}, "action 0"),
        ({"actions": ["F1+"]}, "action 0"),
        ({"actions": ["B1[0:2]+"]}, r"action 0: \+ is for F alone"),
        ({"actions": ["F٣"]}, "action 0"),
        ({"actions": ["F" + "9" * 5000]}, "action 0"),
        ({"actions": [["F1"]]}, "action 0"),
    ],
    ids=str,
)
def test_record_with_a_known_fault_is_refused_and_the_fault_named(change, message):
    with pytest.raises(ScheduleError, match=message):
        Schedule.from_json(json.dumps(GOOD | change))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, '{"format": "', "\ud800", "NaN", "\0", json.dumps(GOOD) + "x"],
    ids=["lists", "objects", "digits", "half", "surrogate", "NaN", "zero", "rest"],
)
def test_hostile_text_is_refused(text):
    read(text)


def test_key_given_twice_counts_as_its_last_and_is_checked():
    read(json.dumps(GOOD)[:-1] + ', "n_layers": 0}')


def test_format_is_named_in_the_record():
    assert GOOD["format"] == FORMAT


def test_largest_mini_batch_of_a_chain_can_be_written_down():
    schedule = micro_batches(n_layers=2, batch_size=MAX_ROWS, rows=MAX_ROWS - 1)
    simulate(schedule, chain_of([3, 2, 1], batch_size=MAX_ROWS))
    assert Schedule.from_json(schedule.to_json()) == schedule


# A smaller mini-batch


def test_schedule_for_whole_mini_batches_is_for_any_size():
    schedule = every_nth(n_layers=5, n=2)
    assert schedule.for_batch(7) is schedule


BLOCKS = Schedule(1, tuple(kind(1, r) for r in ((0, 4), (4, 8), (8, 10)) for kind in (Forward, Backward)), "x", 10)


def test_schedule_of_its_own_size_is_itself():
    assert BLOCKS.for_batch(10) is BLOCKS


@pytest.mark.parametrize(
    ("batch_size", "text"),
    [
        (9, "F1[0:4] B1[0:4] F1[4:8] B1[4:8] F1[8:9] B1[8:9]"),
        (8, "F1[0:4] B1[0:4] F1[4:8] B1[4:8]"),
        (5, "F1[0:4] B1[0:4] F1[4:5] B1[4:5]"),
        (1, "F1[0:1] B1[0:1]"),
    ],
)
def test_row_blocks_are_cut_to_a_smaller_mini_batch(batch_size, text):
    cut = BLOCKS.for_batch(batch_size)
    assert str(cut) == text
    assert (cut.batch_size, cut.name, cut.n_layers) == (batch_size, "x", 1)


def test_larger_mini_batch_is_refused():
    with pytest.raises(ScheduleError, match="row blocks are for 10 rows, the mini-batch has 11; plan again"):
        BLOCKS.for_batch(11)


def test_schedule_errors_are_checkpoint_errors_and_those_value_errors():
    assert issubclass(ScheduleError, CheckpointError)
    assert issubclass(CheckpointError, ValueError)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_layers": "2"}, "n_layers must be a whole number"),
        ({"n_layers": 0}, "n_layers must be a whole number"),
        ({"actions": 5}, "actions must be a sequence"),
        ({"actions": (Forward(1), "F2")}, "action 1 must be one of Forward"),
        ({"actions": (Forward("1"),)}, "action 0 must have a whole number as its layer"),
        ({"actions": (Forward(1.0),)}, "action 0 must have a whole number as its layer"),
        ({"actions": (Forward(1, rows=(0,)),)}, "action 0 must have a whole number as its layer"),
        ({"actions": (Forward(1, rows=3),)}, "action 0 must have a whole number as its layer"),
        ({"name": None}, "name must be a string"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"pieces": "tiny"}, "pieces must be large or small"),
    ],
    ids=str,
)
def test_schedule_of_wrong_types_is_refused_where_it_is_made(wrong, words):
    with pytest.raises(ScheduleError, match=words):
        Schedule(**{"n_layers": 2, "actions": (Forward(1),), **wrong})


def test_numpy_s_whole_numbers_are_whole_numbers():
    one, other = np.int64(1), np.int32(2)
    made = Schedule(other, (Forward(one), Forward(other, rows=(one, other))), "", np.int64(4))
    assert made == Schedule(2, (Forward(1), Forward(2, rows=(1, 2))), "", 4)
    assert type(made.actions[0].layer) is type(made.n_layers) is int


def test_row_block_is_the_smallest_number_of_rows():
    assert Schedule(1, (Forward(1), Backward(1))).row_block is None
    assert micro_batches(n_layers=2, batch_size=10, rows=4).row_block == 2


def test_schedule_shows_itself_in_a_line():
    made = every_nth(n_layers=2000, n=40)
    assert repr(made).startswith("<Schedule 'every 40th layer': n_layers=2000, pieces='large', ")
    assert len(repr(made)) < 400
    assert repr(Schedule(1, (Forward(1), Backward(1)))).endswith("2 actions: F1 B1>")
