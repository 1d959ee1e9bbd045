"""Steps that the host does not wait for: a device watches them, and they are looked at when the next begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlp.errors import TrainingError, not_finite
from mlp.optimizers import Optimizer, Ruled, StepFacts
from mlp.updated import Updated
from mlp.uptake import ONTO_VELOCITY

SPOILT = "velocities have some row blocks of this step, so go on from a saved state"


class Watched(Updated):
    """Layers with an optimizer whose steps a device may watch, see `backend.watching`."""

    _may_spoil = False
    """Whether a step that has not been looked at adds row blocks onto velocities."""

    @contextmanager
    def watching(self, rows: int, rate: float) -> Iterator[float]:
        """A block that takes one step on `rows` rows; the rate as kernels are to have it."""
        if self.watch is None:
            yield rate
            return
        rule = None
        if isinstance(self.optimizer, Ruled):
            rule = self.optimizer.numbers(rate, StepFacts(rows, self.steps_trained + 1))
        elif self.uptake == ONTO_VELOCITY:
            self._may_spoil = self._may_spoil or self.works_in_row_blocks(rows)
        try:
            yield self.watch.begin(self.steps_trained, rate, rule)
        finally:
            self.watch.end()

    def use_optimizer(self, optimizer: Optimizer | Ruled) -> None:
        """See `Updated`. Raises `TrainingError` for an earlier step that was bad, as `look` does: its number goes."""
        self.look(wait=True)
        super().use_optimizer(optimizer)

    def __getstate__(self) -> dict[str, Any]:
        """Raises `TrainingError` for an earlier step that was bad: a copy would count it, and know nothing of it."""
        self.look(wait=True)
        return super().__getstate__()

    def works_in_row_blocks(self, rows: int) -> bool:
        """Whether a step on `rows` rows takes some of them at a time."""
        return False

    def forget_bad_steps(self) -> None:
        """Have the next steps taken whatever steps before were, as the network has other parameters now."""
        if self.watch is not None:
            self.watch.forget()
        self._may_spoil = False

    def look(self, *, wait: bool = False) -> None:
        """Raise `TrainingError` for an earlier step that a device has refused, as far as it has come; `wait` for all.

        `steps_trained` is what it was before that step: the weights are.
        """
        if self.watch is None:
            return
        if wait:
            self.backend.synchronize()
        bad = self.watch.bad()
        if bad is None:
            return
        self.backend.synchronize()  # a worse number may have been found in the same step
        bad, spoils = self.watch.bad() or bad, self._may_spoil
        self.forget_bad_steps()
        ago, self.steps_trained = self.steps_trained - bad.step, bad.step
        error = not_finite(bad.kind, bad.layer, step=bad.step + 1, ago=ago)
        if spoils:
            self.velocities_are_spoilt = True
            error = TrainingError(f"{error.problem}; {SPOILT}", layer=error.layer, step=error.step, ago=ago)
        raise error
