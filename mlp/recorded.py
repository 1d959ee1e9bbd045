"""Steps as plans of launches, where a backend can record them: the same bits, with next to nothing left for Python.

A step is taken action by action the first time, recorded the second, and run from its plan from then on. What is not as
`Network` has it, is watched action by action, or whose bytes are measured, is not recorded: see `mlp.program`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, Protocol

from mlp.program import Stepped, is_whole
from mlp.row_weights import RowWeights

MOST_PLANS = 4
"""The most kinds of mini-batches that plans are kept for."""

MOST_TRIES = 2
"""How often a step is tried to be recorded: the arena may have gone the first time."""


class Recordable(Stepped, Protocol):
    """What takes whole steps, action by action."""

    def take_actions(self, X: Any, y: Any, rate: float) -> None: ...


@dataclass(slots=True)
class _Recorded:
    """The plan of a step, once there is one, and what it follows from."""

    made_from: tuple[Any, ...]
    plan: Any = None
    moves: int = 0
    tries: int = 0


class RecordedSteps:
    """The plans of a network's steps, for the kinds of mini-batches that came last."""

    def __init__(self) -> None:
        self._steps: dict[tuple[Any, ...], _Recorded] = {}

    @property
    def plans(self) -> list[Any]:
        """The plans that there are, the one run last at the end."""
        return [step.plan for step in self._steps.values() if step.plan is not None]

    def step(self, network: Recordable, X: Any, y: Any, rate: float) -> bool:
        """Take one step by its plan; False, and nothing is done, where it has to be taken action by action."""
        backend = network.backend
        if not backend.records_steps or not is_whole(network):
            return False
        inputs, weights = [X, y], network.row_weights
        if weights is not None:
            inputs.append(weights.values)
        rows = X.shape[0]
        key, made_from = (network.uptake, network.seed, *backend.step_key(inputs)), network.made_from(rows)
        step = self._steps.pop(key, None)
        is_new = step is None or not all(map(is_, step.made_from, made_from))
        self._steps[key] = step = _Recorded(made_from) if step is None or is_new else step  # the last one now
        if len(self._steps) > MOST_PLANS:
            del self._steps[next(iter(self._steps))]
        if is_new:
            return False
        if (step.plan is None and step.tries < MOST_TRIES) or step.moves != network.buffers.moves:
            step.plan, step.moves = _recorded(network, inputs, rate), network.buffers.moves
            step.tries = 0 if step.plan is not None else step.tries + 1
        if step.plan is None:
            return False
        step.plan.run(inputs)
        network.count.calls += 1
        network.cost_total.weight += rows
        return True


def _recorded(network: Recordable, inputs: Sequence[Any], rate: float) -> Any:
    """A new plan of the step on `inputs`; None where there can be none."""
    actions, weight, weights = network.count.actions, network.cost_total.weight, network.row_weights

    def take(X: Any, y: Any, *of_rows: Any) -> None:
        network.row_weights = RowWeights(of_rows[0]) if of_rows else None
        network.take_actions(X, y, rate)

    try:
        return network.backend.record(take, inputs)
    finally:
        network.count.actions, network.cost_total.weight, network.row_weights = actions, weight, weights
