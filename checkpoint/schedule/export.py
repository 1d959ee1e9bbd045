"""A schedule in the words of the package `checkpoint_schedules`, for programs that run its actions. No arrays here.

Its steps count from 0, and each is a step forward whose adjoint needs data that another run of that step writes. Step
l - 1 is layer l here, run from a_{l-1}, and the step after all layers is the cost, whose adjoint is the error of a_L.

- An activation that is held while the run goes on is forward restart data in memory (`write_ics`, RAM).
- A backward step B_l is a run of one step that writes what the adjoint needs, into working memory, and `Reverse` over
  it. So a step counts one run more there than here, where a layer goes backward without running again.
- What is released before its own backward step is moved to no storage.

That language has no row blocks, no way to hold an activation while the next run starts elsewhere unless a run has
started from it, and no pieces of a backward step, so it does not predict bytes.
"""

from itertools import zip_longest
from typing import Any

from checkpoint.errors import CheckpointError
from checkpoint.schedule.actions import Backward, Fetch, Forward, Offload, Release
from checkpoint.schedule.schedule import Schedule


def to_checkpoint_schedules(schedule: Schedule) -> list[Any]:
    """The actions of `schedule` for a chain of `schedule.n_layers` + 1 steps, from the first `Forward` to `EndReverse`.

    Raises `CheckpointError` where that language has no words for it, or where the package is not installed. The
    schedule must be one that `simulate` accepts.
    """
    try:
        import checkpoint_schedules
    except ImportError:
        raise CheckpointError(
            "the package checkpoint_schedules is not installed; install it with: pip install checkpoint-schedules"
        ) from None
    if any(action.rows is not None for action in schedule.actions):
        raise CheckpointError("checkpoint_schedules has no row blocks; plan with row_blocks=False to export a schedule")
    if any(isinstance(action, Offload | Fetch) for action in schedule.actions):
        raise CheckpointError("a schedule that offloads is not exported; plan without offload to export one")
    writer = _Writer(schedule.n_layers, checkpoint_schedules)
    for action, following in zip_longest(schedule.actions, schedule.actions[1:]):
        if isinstance(action, Forward):
            writer.forward(action.layer, keep=following != Release(action.layer - 1))
        elif isinstance(action, Backward):
            writer.backward(action.layer)
        else:
            writer.release(action.layer)
    return [*writer.written, checkpoint_schedules.EndReverse()]


class _Writer:
    """The actions written so far, and where data is: step `at` in working memory, the steps `stored` in RAM."""

    def __init__(self, n_layers: int, package: Any) -> None:
        self.written: list[Any] = []
        self._n_layers, self._package, self._storage = n_layers, package, package.StorageType
        self._at: int | None = 0
        self._stored: set[int] = set()

    def forward(self, layer: int, *, keep: bool) -> None:
        """Run `layer`; `keep` says whether the activation that it runs from stays held."""
        if self._at == self._n_layers:  # a_L is never run from: the cost's adjoint need not wait
            self._adjoint(self._n_layers)
        start, last = layer - 1, self.written[-1] if self.written else None
        if self._at != start:
            self._fetch(start, keep=keep)
            self._run(start, layer)
        elif keep:
            self._stored.add(start)
            self._run(start, layer, restart=True)
        elif isinstance(last, self._package.Forward):
            self.written[-1] = self._package.Forward(last.n0, layer, last.write_ics, False, last.storage)
        else:
            self._run(start, layer)
        self._at = layer

    def backward(self, layer: int) -> None:
        """Take the error back through `layer`, and before the last layer through the cost."""
        if self._at == self._n_layers:
            self._adjoint(self._n_layers)
        self._adjoint(layer - 1)

    def release(self, layer: int) -> None:
        """Let go of an activation; one that was only passed was never stored."""
        if layer in self._stored:
            self._stored.remove(layer)
            self.written.append(self._package.Move(layer, self._storage.RAM, self._storage.NONE))
        elif self._at == layer:
            self._at = None

    def _adjoint(self, step: int) -> None:
        if self._at != step:
            self._fetch(step, keep=False)
        self._run(step, step + 1, adjoint=True)
        if step == self._n_layers:
            self.written.append(self._package.EndForward())
        self.written.append(self._package.Reverse(step + 1, step, True))
        self._at = None

    def _fetch(self, step: int, *, keep: bool) -> None:
        """Bring stored data to working memory, and leave it stored or not."""
        if self._at is not None:
            raise CheckpointError(
                f"checkpoint_schedules can't say that a_{self._at} is held when the run goes on from a_{step}: it "
                f"stores data when a run starts from it"
            )
        word = self._package.Copy if keep else self._package.Move
        self.written.append(word(step, self._storage.RAM, self._storage.WORK))
        if not keep:
            self._stored.remove(step)

    def _run(self, start: int, stop: int, *, restart: bool = False, adjoint: bool = False) -> None:
        storage = self._storage.RAM if restart else self._storage.WORK
        self.written.append(self._package.Forward(start, stop, restart, adjoint, storage))
