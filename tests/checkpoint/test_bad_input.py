"""Arguments that are none, at the public doors: each has an error of this package, in one line."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import checkpoint
from checkpoint import (
    CheckpointError,
    Forward,
    NetworkWithCheckpointing,
    Schedule,
    ScheduleError,
    load,
    plan,
)
from mlp import NetworkError, StateError, load_state, read_state

X = np.zeros((4, 20), np.float32)


@pytest.fixture(scope="module")
def net() -> NetworkWithCheckpointing:
    return NetworkWithCheckpointing([20, 16, 16, 2], checkpoint_every_nth_layer=1)


def check(error: type[Exception], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("value", [None, 5, "plan"])
@pytest.mark.parametrize("name", ["figure", "timeline"])
def test_picture_of_no_plan(name: str, value: object) -> None:
    check(CheckpointError, "what is drawn is a Plan", lambda: getattr(checkpoint, name)(value))


@pytest.mark.parametrize("rows", ["a", None, [], True, 0, 1.5, 2**31])
def test_schedule_for_no_batch_size(net: NetworkWithCheckpointing, rows: Any) -> None:
    check(NetworkError, "the batch size must be a whole number from 1 to", lambda: net.schedule_for(rows))


def test_batch_size_may_be_numpy_s(net: NetworkWithCheckpointing) -> None:
    assert net.schedule_for(np.int64(4)) is net.schedule_for(4)


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ("a", 2, "with 0 <= start < stop <= 3; got 'a' and 2"),
        (0, None, "with 0 <= start < stop <= 3; got 0 and None"),
        (-1, 2, "with 0 <= start < stop <= 3; got -1 and 2"),
        (2, 2, "with 0 <= start < stop <= 3; got 2 and 2"),
        (0, 4, "with 0 <= start < stop <= 3; got 0 and 4"),
    ],
)
def test_forward_between_no_layers(net: NetworkWithCheckpointing, start: Any, stop: Any, message: str) -> None:
    check(CheckpointError, message, lambda: net.forward_between_checkpoints(X, start, stop))


@pytest.mark.parametrize("path", [None, 5, b"path", ""])
def test_saved_state_at_no_path(net: NetworkWithCheckpointing, path: Any) -> None:
    for call in (net.save, load, load_state, read_state):
        check(StateError, "the path of a saved state is empty" if path == "" else "at a path", partial(call, path))


@pytest.mark.parametrize("keep", ["a", None, -1, True])
def test_number_of_states_to_keep_that_is_none(net: NetworkWithCheckpointing, tmp_path: Path, keep: Any) -> None:
    check(NetworkError, "keep must be a whole number", lambda: net.save(tmp_path / "state", keep=keep))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["seed", "sizes", "activation", "bogus"])
def test_load_is_given_what_is_saved_or_unknown(net: NetworkWithCheckpointing, tmp_path: Path, name: str) -> None:
    net.save(tmp_path / "state")
    check(CheckpointError, f"got {name!r}", lambda: load(tmp_path / "state", **{name: 5}))


@pytest.mark.parametrize("budget", [True, 0, 1.5, [1]])
def test_budget_of_a_network_that_is_no_number(budget: Any) -> None:
    wanted = "budget_bytes must be a whole number, 1 or more"
    check(CheckpointError, wanted, lambda: NetworkWithCheckpointing([20, 16, 2], budget_bytes=budget))


@pytest.mark.parametrize("schedule", [None, "F1", 5])
def test_plan_to_use_that_is_none(net: NetworkWithCheckpointing, schedule: Any) -> None:
    check(CheckpointError, "schedule must be a Schedule", lambda: net.use_plan(schedule, batch_size=4))


@pytest.mark.parametrize("rows", ["a", None, 0])
def test_schedule_for_a_batch_that_is_none(rows: Any) -> None:
    check(ScheduleError, "batch_size must be a whole number", lambda: Schedule(1, (Forward(1),)).for_batch(rows))


def test_backends_that_are_offered_are_those_that_a_user_can_ask_for() -> None:
    wanted = "unknown backend 'cuda'; choose numpy or cupy"
    with pytest.raises(NetworkError) as caught:
        plan([20, 16, 2], batch_size=4, budget_bytes=10**6, backend="cuda")
    assert str(caught.value) == wanted
