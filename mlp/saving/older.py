"""What states of older formats leave out, by what their programs did. Plain values; no arrays and no files here."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlp.arguments import MAX_COUNT
from mlp.costs import TABLE
from mlp.data.values.scaling import PIXELS
from mlp.precision import FULL

ADDED = {
    2: ("epochs_trained", "scaling", "arguments"),
    3: ("optimizer", "steps_trained", "output_activation", "dropout"),
    4: ("precision",),
}
"""The facts that each format added."""

_PLANNED_BY = ("checkpoint", "budget", "offload")


def added_after(number: int) -> set[str]:
    """The facts that a state of format `number` lacks.

    >>> sorted(added_after(2))
    ['dropout', 'optimizer', 'output_activation', 'precision', 'steps_trained']
    """
    return {name for later, names in ADDED.items() if later > number for name in names}


def unsaid(record: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The facts that a record of format `number` lacks; its own may be anything."""
    progress, notes = record["progress"], record["notes"]
    facts: dict[str, Any] = {}
    if number < 2:
        was_run = isinstance(progress, dict) and is_count(progress.get("epoch")) and progress["epoch"] >= 1
        how = {name: notes[name] for name in _PLANNED_BY if notes.get(name)} if isinstance(notes, dict) else {}
        facts |= {
            "epochs_trained": progress["epoch"] - 1 if was_run else 0,
            "scaling": asdict(PIXELS) if was_run else None,
            "arguments": how if how.get("checkpoint", "none") != "none" else {},
        }
    if number < 3:
        facts |= {"optimizer": "sgd", "steps_trained": _steps_of(progress), "output_activation": _output_of(record)}
        facts["dropout"] = []
    if number < 4:
        facts["precision"] = FULL
    return facts


def _output_of(record: Mapping[str, Any]) -> Any:
    """The output layer's activation: what goes with the cost, or else that of the hidden layers."""
    cost = record["cost"]
    own = TABLE[cost].output if isinstance(cost, str) and cost in TABLE else None
    return own or record["activation"]


def _steps_of(progress: Any) -> int:
    """The steps that a run had taken, all of whose epochs had mini-batches of one size; 0 where it is no run."""
    least = {"epoch": 1, "step": 0, "n_samples": 1, "mini_batch_size": 1}
    if not isinstance(progress, dict) or any(
        not is_count(progress.get(name)) or progress[name] < number for name, number in least.items()
    ):
        return 0
    epoch, step, n_samples, size = (int(progress[name]) for name in least)
    return min((epoch - 1) * -(-n_samples // size) + step, MAX_COUNT)


def is_count(value: object) -> bool:
    """Whether a value is a whole number, of Python's kind, from 0 to `MAX_COUNT`."""
    return type(value) is int and 0 <= value <= MAX_COUNT
