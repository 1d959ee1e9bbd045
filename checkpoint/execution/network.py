"""The network that is trained with checkpointing: the reader of schedules that runs them on arrays."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend import Backend, Transfers, open_transfers
from backend.transfers import HOST
from checkpoint.errors import CheckpointError
from checkpoint.execution.step import Execution
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan_chain
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies import every_nth
from checkpoint.strategies.offloaded import every_nth_offloaded
from mlp import Gradient, Network


def chain_on(backend: Backend, sizes: Iterable[int], *, batch_size: int, dtype: str = "float32") -> Chain:
    """`chain_of` for whichever backend is at hand, by what it says of itself."""
    return replace(
        chain_of(sizes, batch_size=batch_size, dtype=dtype),
        allocation_bytes=backend.allocation_bytes,
        error_in_place=backend.error_in_place,
        sum_rows=backend.chunk_rows,
    )


class NetworkWithCheckpointing(Network):
    """A `Network` whose backpropagation follows a schedule; the gradients are those of plain backpropagation.

    Give one of three: `checkpoint_every_nth_layer`, the classic n; `budget_bytes`, array bytes above rest that a step
    may take, for which the fastest plan is made when the batch size is known; or `schedule`, any `Schedule` for these
    layers. All other arguments are `Network`'s.

    `offload` is where a schedule that offloads puts activations: "host" on cupy, which is the default there; the path
    of a folder or of a new file on numpy, which has no name once it is open and goes with the network; or `Transfers`.
    With `checkpoint_every_nth_layer` all checkpoints go there but the last; with `budget_bytes`, plans weigh it at the
    rates of `offloading`, which are measured unless they are given.

    A schedule for whole mini-batches gives the gradients of plain backpropagation to the last bit, and so does one with
    row blocks that begin at multiples of 128 rows, on NumPy. Other row blocks add the same terms in another order, and
    differ by rounding.

    Raises `CheckpointError` for arguments that make no schedule, `ScheduleError` for a schedule that cannot be run and,
    at the first step, `BudgetError` for a budget that is too small.
    """

    def __init__(
        self,
        sizes: Iterable[int],
        *,
        checkpoint_every_nth_layer: int | None = None,
        budget_bytes: int | None = None,
        schedule: Schedule | None = None,
        offload: str | Path | Transfers | None = None,
        offloading: Offloading | None = None,
        **as_network: Any,
    ) -> None:
        given = sum(choice is not None for choice in (checkpoint_every_nth_layer, budget_bytes, schedule))
        if given != 1:
            raise CheckpointError(
                f"give one of checkpoint_every_nth_layer, budget_bytes and schedule; got {given or 'none'} of them"
            )
        super().__init__(sizes, **as_network)
        self.budget_bytes = budget_bytes
        self.after_action: Callable[[int, Action], None] | None = None
        """Called after each action of a step with its position, for whoever measures or draws it."""
        if checkpoint_every_nth_layer is not None:
            write = every_nth if offload is None else every_nth_offloaded
            schedule = write(n_layers=self.n_layers, n=checkpoint_every_nth_layer)
        if schedule is not None:
            if not isinstance(schedule, Schedule):
                raise CheckpointError(f"schedule must be a Schedule, such as a plan's; got {schedule!r}")
            simulate(schedule, self.chain(schedule.batch_size or 1))
        elif not (isinstance(budget_bytes, int) and budget_bytes >= 1):
            raise CheckpointError(f"budget_bytes must be a whole number, 1 or more; got {budget_bytes!r}")
        self._place = offload
        self.transfers = (
            offload if offload is None or isinstance(offload, Transfers) else open_transfers(self.backend, offload)
        )
        """Where activations are offloaded to; None where none are."""
        if schedule is not None and offload is None and any(isinstance(action, Offload) for action in schedule):
            self.transfers = open_transfers(self.backend, self._default_place())
        self._offloading = offloading
        self._schedule = schedule
        self._schedules: dict[int, Schedule] = {}

    def _rates(self) -> Offloading | None:
        """How fast this network's offloading is; None where it does not offload."""
        if self._place is not None and self._offloading is None:
            if isinstance(self._place, Transfers):
                raise CheckpointError("how fast these transfers are is not known; give offloading, their rates")
            from checkpoint.measuring.bandwidth import measured_rates  # which calibrates networks

            self._offloading = measured_rates(self.backend, self._place, dtype=self.dtype)
        return self._offloading

    def _default_place(self) -> str:
        if self.backend.device_memory() is None:
            raise CheckpointError(
                f"the schedule offloads activations, and {self.backend.name} has no place of its own for them; give "
                f"offload, the path of a file or a folder"
            )
        return HOST

    def chain(self, batch_size: int) -> Chain:
        """The chain that this network is for mini-batches of `batch_size` rows."""
        return chain_on(self.backend, self.sizes, batch_size=batch_size, dtype=self.dtype)

    def schedule_for(self, batch_size: int) -> Schedule:
        """The schedule of a step on `batch_size` rows; a plan is made once for each size."""
        if batch_size not in self._schedules:
            if self._schedule is not None:
                schedule = self._schedule.for_batch(batch_size)
                simulate(schedule, self.chain(batch_size))
                self._schedules[batch_size] = schedule
            else:
                budget_bytes = self.budget_bytes or 0
                plan = plan_chain(self.chain(batch_size), budget_bytes=budget_bytes, offloading=self._rates())
                self._schedules[batch_size] = plan.schedule
        return self._schedules[batch_size]

    def execution(self, X: Any, y: Any, *, in_blocks: bool) -> Execution:
        """What runs the actions of one step on a mini-batch."""
        return Execution(self, X, y, in_blocks=in_blocks)

    def forward_between_checkpoints(self, a: Any, start: int, stop: int) -> list[Any]:
        """The activations [a_{start+1}, ..., a_stop], new arrays, from `a` = a_start, (rows, n_start).

        Raises `CheckpointError` unless 0 <= start < stop <= L, and `NetworkError` for an `a` of another width or dtype.
        """
        if not 0 <= start < stop <= self.n_layers:
            raise CheckpointError(
                f"layers run from a_start to a_stop with 0 <= start < stop <= {self.n_layers}; got {start} and {stop}"
            )
        a = self.as_rows(f"a_{start}", a, self.sizes[start])
        activations = []
        for layer in range(start + 1, stop + 1):
            a = self.new_activation(layer, a)
            activations.append(a)
        return activations

    def backprop(self, X: Any, y: Any, *, in_blocks: bool = False) -> Iterator[Gradient]:
        """Yield the gradient of each layer, from the last to the first; see `Network.backprop`.

        One loop over the schedule's actions. With row blocks, gradients come when a layer's last block has been added.
        """
        X, y = self.as_batch(X, y)
        self.buffers.begin_step()
        step = self.execution(X, y, in_blocks=in_blocks)
        try:
            for position, action in enumerate(self.schedule_for(X.shape[0]).actions):
                if isinstance(action, Forward):
                    step.forward(action)
                elif isinstance(action, Backward):
                    yield from step.backward(action)
                elif isinstance(action, Offload):
                    step.offload(action)
                elif isinstance(action, Fetch):
                    step.fetch(action)
                else:
                    step.release(action)
                if self.after_action is not None:
                    self.after_action(position, action)
        finally:
            step.end()
