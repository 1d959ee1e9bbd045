"""The network that is trained with checkpointing: the reader of schedules that runs them on arrays.

`checkpoint.execution.scheduled` says which schedule it is for a batch size.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from checkpoint.errors import CheckpointError
from checkpoint.execution.arenas import Arenas
from checkpoint.execution.program import written
from checkpoint.execution.scheduled import ScheduledNetwork
from checkpoint.execution.step import Execution
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release
from checkpoint.schedule.schedule import Schedule
from mlp import Gradient
from mlp.arguments import as_whole
from mlp.overriding import in_program, is_as_written
from mlp.program import Written
from mlp.records import Records
from mlp.uptake import IN_PIECES

Observer = Callable[[int, Action], None]
"""Called after an action of a step, with its position in the schedule."""


class NetworkWithCheckpointing(ScheduledNetwork):
    """A `Network` whose backpropagation follows a schedule; the gradients are those of plain backpropagation.

    Give one of three: `checkpoint_every_nth_layer`, the classic n; `budget_bytes`, array bytes above rest that a step
    may take, as a number or as text ("32MiB", or "50%" of store all's), for which the fastest plan is made when the
    batch size is known; or `schedule`, any `Schedule` for these layers, or a plan. All other arguments are `Network`'s.

    Percent are of the largest mini-batch so far. `SGD` knows that before its first step; whoever takes steps by hand,
    and not the largest first, says it beforehand by `expect_batches([rows])`.

    `offload` is the place that a schedule offloads activations to: "host" on cupy, which is the default there; on numpy
    the path of a folder or of a new file, which is unlinked on open and freed with the network; or `Transfers`. With
    `checkpoint_every_nth_layer` all checkpoints but the last go there. With `budget_bytes`, plans weigh offloading at
    the rates `offloading`, which are measured unless they are given.

    A schedule for whole mini-batches in large pieces yields the gradients of plain backpropagation to the last bit. On
    NumPy so do small pieces, and row blocks that begin at multiples of 128 rows. Others add the same terms in another
    order, and differ by rounding (`checkpoint.planning.planned.keeps_bits`).

    Raises `CheckpointError` for arguments that make no schedule, `ScheduleError` for a schedule that cannot be run and,
    at the first step, `BudgetError` for a budget that is too small.
    """

    _execution_kind: type[Execution] = Execution
    _observers: tuple[Observer, ...] = ()

    def _forget_steps(self) -> None:
        super()._forget_steps()
        self.arenas = Arenas()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_observers": ()}

    @in_program
    def forward_between_checkpoints(self, a: Any, start: int, stop: int) -> list[Any]:
        """The activations [a_{start+1}, ..., a_stop], new arrays, from `a` = a_start, (rows, n_start).

        Raises `CheckpointError` unless 0 <= start < stop <= L, and `NetworkError` for an `a` of another width or dtype.
        """
        first, last = as_whole(start), as_whole(stop)
        if first is None or last is None or not 0 <= first < last <= self.n_layers:
            raise CheckpointError(
                f"layers run from a_start to a_stop with 0 <= start < stop <= {self.n_layers}; got {start!r:.40} and "
                f"{stop!r:.40}"
            )
        a = self.as_rows(f"a_{first}", a, self.sizes[first])
        activations = []
        for layer in range(first + 1, last + 1):
            a = self.new_activation(layer, a)
            activations.append(a)
        return activations

    @in_program
    def backprop(self, X: Any, y: Any, *, in_pieces: bool = False, rate: float | None = None) -> Iterator[Gradient]:
        """Yield the gradient of each layer, from the last to the first; see `Network.backprop`.

        One loop over the schedule's actions. With row blocks, a layer's gradient comes when its last block is added.
        """
        X, y = self.as_batch(X, y)
        schedule = self.schedule_for(X.shape[0])
        step = self.execution(X, y, schedule, in_pieces=in_pieces, rate=rate)
        try:
            for position, action in enumerate(schedule):
                match action:
                    case Forward():
                        step.forward(action)
                    case Backward():
                        yield from step.backward(action)
                    case Release():
                        step.release(action)
                    case Offload():
                        step.offload(action)
                    case Fetch():
                        step.fetch(action)
                self.count.actions += 1
                for observer in self._observers:
                    observer(position, action)
        finally:
            step.end()

    def execution(
        self,
        X: Any,
        y: Any,
        schedule: Schedule,
        *,
        in_pieces: bool,
        rate: float | None = None,
        counts_cost: bool | None = None,
        first_row: int = 0,
    ) -> Execution:
        """What runs the actions of one step on a mini-batch, or on its rows from `first_row` on."""
        uptake = IN_PIECES if rate is None else self.uptake
        return self._execution_kind(
            self,
            X,
            y,
            run=self.forward_between_checkpoints,
            schedule=schedule,
            transfers=self.transfers,
            in_pieces=in_pieces,
            counts_cost=counts_cost,
            places=self.arenas.places(self, X.shape[0], gradients=in_pieces, uptake=uptake),
            uptake=uptake,
            rate=rate or 0.0,
            first_row=first_row,
        )

    def steps_are_as_written(self) -> bool:
        names = "forward_between_checkpoints", "add_backward_layer"
        seen = bool(self._observers) or self._execution_kind is not Execution
        return not seen and is_as_written(self, names) and super().steps_are_as_written()

    def works_in_row_blocks(self, rows: int) -> bool:
        return self.schedule_for(rows).row_block is not None

    def written_from(self, rows: int) -> Any:
        return self.schedule_for(rows)

    def write_step(self, rows: int, records: Records) -> Written:
        places = self.arenas.places(self, rows, gradients=True, uptake=self.uptake)
        return written(self.schedule_for(rows), self.chain(rows), places, records, self.transfers)

    @contextmanager
    def observing(self, observer: Observer) -> Iterator[None]:
        """A block in which `observer` is called after each action of a step; before those of the blocks around it."""
        around = self._observers
        self._observers = (observer, *around)
        try:
            yield
        finally:
            self._observers = around
