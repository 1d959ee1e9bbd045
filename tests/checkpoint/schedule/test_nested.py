"""Schedules as nested calls of a function that checkpoints: read by a small tape in PyTorch's place."""

import sys
from collections.abc import Callable
from random import Random
from types import ModuleType
from typing import Any

import pytest

from checkpoint import Backward, CheckpointError, Forward, Schedule, binomial, micro_batches, offloaded, store_all
from checkpoint.schedule.nested import nested, to_torch
from checkpoint.schedule.text import read_action
from tests.checkpoint.schedules import persistent_tree


class Tape:
    """What autograd and `torch.utils.checkpoint` do, for layers that only say that they ran."""

    def __init__(self, n_layers: int) -> None:
        self.forward: list[int] = []
        self.backward: list[int] = []
        self.layers = [self._layer(number) for number in range(1, n_layers + 1)]
        self._records: list[Any] | None = []  # None while nothing is recorded

    def checkpoint(self, function: Callable[..., int], layers: Any, x: int, *, use_reentrant: bool) -> int:
        assert not use_reentrant
        records, self._records = self._records, None
        y = function(layers, x)
        self._records = records
        if records is not None:
            records.append((function, layers, x))
        return y

    def go_back(self) -> None:
        records, self._records = self._records, None
        for record in reversed(records or []):
            if isinstance(record, int):
                self.backward.append(record)
                continue
            function, layers, x = record
            self._records = []
            function(layers, x)
            self.go_back()

    def _layer(self, number: int) -> Callable[[int], int]:
        def run(x: int) -> int:
            assert x == number - 1
            self.forward.append(number)
            if self._records is not None:
                self._records.append(number)
            return number

        return run


def followed(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> Tape:
    """The module that is written for a schedule, run on a tape forward and back."""
    tape = Tape(schedule.n_layers)
    module = ModuleType("torch.utils.checkpoint")
    module.checkpoint = tape.checkpoint  # type: ignore[attr-defined]
    for name in ("torch", "torch.utils", "torch.utils.checkpoint"):
        monkeypatch.setitem(sys.modules, name, module)
    names: dict[str, Any] = {}
    exec(to_torch(schedule), names)  # noqa: S102  (our own text)
    assert names["forward"](tape.layers, 0) == schedule.n_layers
    tape.go_back()
    return tape


@pytest.mark.parametrize("seed", range(5))
def test_nested_calls_run_what_the_schedule_runs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers go back in order. Runs are the schedule's, but that nested calls run the last layer of a part again."""
    random = Random(seed)
    for _ in range(100):
        n_layers = random.randint(1, 14)
        schedule = persistent_tree(n_layers, lambda n: random.randrange(n + 1) if random.random() < 0.8 else 0)
        tape = followed(schedule, monkeypatch)
        assert tape.backward == [action.layer for action in schedule if isinstance(action, Backward)]
        ends = [part.stop for part in _run_again(nested(schedule))]
        assert sorted(tape.forward) == sorted([a.layer for a in schedule if isinstance(a, Forward)] + ends)


def _run_again(interval: Any) -> list[Any]:
    found = []
    for part in interval.parts:
        if part.stop > part.start + 1:
            found += [part, *_run_again(part)]
    return found


def test_store_all_is_a_plain_run() -> None:
    assert to_torch(store_all(n_layers=3)).endswith("def forward(layers, x):\n    return run(layers[0:3], x)\n")


@pytest.mark.parametrize(
    "schedule",
    [
        micro_batches(n_layers=3, batch_size=8, rows=4),
        offloaded(n_layers=4, checkpoints=[1, 2, 3]),
        Schedule(6, tuple(read_action(0, word) for word in ["F1", "F2", "D1", "F3", "F4", "F5", "B5"])),
        Schedule(3, tuple(read_action(0, word) for word in ["F1", "F2", "F3", "D1", "B3", "F1", "B2", "B1", "B1"])),
    ],
    ids=["row blocks", "offload", "no end", "dropped later"],
)
def test_other_schedules_are_refused(schedule: Schedule) -> None:
    with pytest.raises(CheckpointError, match="nested calls"):
        to_torch(schedule)


def test_binomial_schedules_are_persistent() -> None:
    assert nested(binomial(n_layers=9, slots=3)).stop == 9
