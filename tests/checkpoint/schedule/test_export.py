"""Schedules in another package's words: run by an interpreter of those words, and judged by that package's own ones."""

import sys
from dataclasses import dataclass, field
from random import Random
from typing import Any

import checkpoint_schedules as words
import pytest

from checkpoint import (
    Backward,
    CheckpointError,
    Forward,
    Release,
    Schedule,
    binomial,
    every_nth,
    micro_batches,
    plan_chain,
    square_root,
    store_all,
)
from checkpoint.schedule.export import to_checkpoint_schedules
from tests.checkpoint.chains import random_budget, random_chain


@dataclass
class Run:
    """What an interpreter of the actions holds and counts; it knows nothing of layers."""

    n_steps: int
    at: int | None = 0
    stored: set[int] = field(default_factory=set)
    adjoint_data: set[int] = field(default_factory=set)
    reversed_to: int = -1
    forward_steps: int = 0
    most_stored: int = 0
    ended: bool = False

    def take(self, action: Any) -> None:
        """Take one action, or fail."""
        assert not self.ended
        ram, work = words.StorageType.RAM, words.StorageType.WORK
        match type(action).__name__, action.args:
            case "Forward", (n0, n1, write_ics, write_adj_deps, storage):
                assert self.at == n0 < n1
                assert not (write_ics and write_adj_deps)
                assert not write_ics or storage == ram
                if write_ics:
                    assert n0 not in self.stored
                    self.stored.add(n0)
                self.most_stored = max(self.most_stored, len(self.stored))
                self.adjoint_data |= set(range(n0, n1)) if write_adj_deps else set()
                self.at = n1
                self.forward_steps += n1 - n0
            case "EndForward", ():
                assert (self.at, self.reversed_to) == (self.n_steps, -1)
                self.reversed_to = self.n_steps
            case "Reverse", (n1, n0, clear):
                assert self.reversed_to == n1
                assert self.adjoint_data == set(range(n0, n1))
                assert clear
                self.reversed_to, self.at = n0, None
                self.adjoint_data.clear()
            case "Copy" | "Move" as kind, (n, source, target):
                assert source == ram
                assert n in self.stored
                self.at = n if target == work else self.at
                assert target == work or (kind, target) == ("Move", words.StorageType.NONE)
                if kind == "Move":
                    self.stored.remove(n)
            case "EndReverse", ():
                assert (self.reversed_to, self.stored) == (0, set())
                self.ended = True
            case _:
                raise AssertionError(action)


def run(actions: Any, n_steps: int) -> Run:
    """The interpreter after all of the actions."""
    found = Run(n_steps)
    for action in actions:
        found.take(action)
        if found.ended:
            return found
    raise AssertionError("the actions do not end")


def runs_of(schedule: Schedule) -> int:
    """How often layers run forward."""
    return sum(isinstance(action, Forward) for action in schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        store_all(n_layers=1),
        store_all(n_layers=6),
        every_nth(n_layers=10, n=3),
        square_root(n_layers=17),
        binomial(n_layers=12, slots=1),
        binomial(n_layers=30, slots=4),
    ],
    ids=lambda schedule: f"{schedule.name}, {schedule.n_layers} layers",
)
def test_exported_actions_do_what_the_schedule_does(schedule: Schedule) -> None:
    """Each step's adjoint needs one run more there than here, and so does that of the cost."""
    found = run(to_checkpoint_schedules(schedule), schedule.n_layers + 1)
    assert found.forward_steps == runs_of(schedule) + schedule.n_layers + 1


@pytest.mark.parametrize("seed", range(4))
def test_plans_for_whole_mini_batches_can_be_said(seed: int) -> None:
    """All classes of them, those with a checkpoint that is dropped before its own backward step included."""
    random, classes = Random(seed), set()
    for _ in range(80):
        chain = random_chain(random)
        plan = plan_chain(chain, budget_bytes=random_budget(random, chain), row_blocks=False)
        found = run(to_checkpoint_schedules(plan.schedule), chain.n_layers + 1)
        assert found.forward_steps == runs_of(plan.schedule) + chain.n_layers + 1
        classes.add(plan.optimal_among)
    assert len(classes) >= 3


@pytest.mark.parametrize("n_layers", [1, 2, 5, 13, 40])
@pytest.mark.parametrize("slots", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["Revolve", "HRevolve", "MultistageCheckpointSchedule"])
def test_binomial_runs_as_often_as_the_packages_own_schedules(name: str, n_layers: int, slots: int) -> None:
    """Their steps are our activations, a_0 among them; it takes one of their slots, and ours is where a run is."""
    steps = n_layers + 1
    slots = min(slots, n_layers)
    theirs = run(getattr(words, name)(steps, slots, *([] if name == "Revolve" else [0])), steps)
    ours = run(to_checkpoint_schedules(binomial(n_layers=n_layers, slots=slots)), steps)
    assert ours.forward_steps == theirs.forward_steps
    assert ours.most_stored <= slots
    assert theirs.most_stored <= slots


@pytest.mark.parametrize("n_layers", [3, 10, 40])
@pytest.mark.parametrize("slots", [2, 5])
def test_binomial_runs_as_often_as_pyrevolve_says(n_layers: int, slots: int) -> None:
    pyrevolve = pytest.importorskip("pyrevolve", reason="pyrevolve is not installed; it is built from C++")
    assert runs_of(binomial(n_layers=n_layers, slots=slots)) == pyrevolve.numforw(n_layers + 1, slots)


def test_a_trace() -> None:
    ram, work = words.StorageType.RAM, words.StorageType.WORK
    schedule = every_nth(n_layers=3, n=2)
    assert str(schedule) == "F1 F2* F3 B3 F1* B2 B1"
    assert repr(to_checkpoint_schedules(schedule)) == repr(
        [
            words.Forward(0, 2, True, False, ram),
            words.Forward(2, 3, True, False, ram),
            words.Forward(3, 4, False, True, work),  # the cost
            words.EndForward(),
            words.Reverse(4, 3, True),
            words.Move(2, ram, work),
            words.Forward(2, 3, False, True, work),
            words.Reverse(3, 2, True),
            words.Copy(0, ram, work),
            words.Forward(0, 1, False, False, work),
            words.Forward(1, 2, False, True, work),
            words.Reverse(2, 1, True),
            words.Move(0, ram, work),
            words.Forward(0, 1, False, True, work),
            words.Reverse(1, 0, True),
            words.EndReverse(),
        ]
    )


def test_row_blocks_cannot_be_said() -> None:
    with pytest.raises(CheckpointError, match="row blocks"):
        to_checkpoint_schedules(micro_batches(n_layers=3, batch_size=8, rows=4))


def test_what_is_held_but_not_run_from_cannot_be_said() -> None:
    F, D, B = Forward, Release, Backward
    held_beside = Schedule(3, (F(1), F(2), F(3), B(3), B(2), B(1)))
    assert to_checkpoint_schedules(held_beside)
    jump = Schedule(3, (F(1), F(2), D(1), F(1), F(3), B(3), B(2), B(1)))  # a_2 waits while layer 1 runs again
    with pytest.raises(CheckpointError, match="a_2 is held when the run goes on from a_0"):
        to_checkpoint_schedules(jump)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "checkpoint_schedules", None)
    with pytest.raises(CheckpointError, match="pip install checkpoint-schedules"):
        to_checkpoint_schedules(store_all(n_layers=2))


def test_the_interpreter_refuses_actions_that_leave_out_a_run() -> None:
    actions = to_checkpoint_schedules(binomial(n_layers=5, slots=2))
    for position, action in enumerate(actions):
        if isinstance(action, words.Forward):
            with pytest.raises(AssertionError):
                run([*actions[:position], *actions[position + 1 :]], 6)
