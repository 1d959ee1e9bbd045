"""Which schedule a network follows for a batch size: the one that it was given, or a plan for its budget, made once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend import Backend, Transfers
from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.execution.arguments import arguments_text
from checkpoint.execution.place import check_offload, rates_of, transfers_to
from checkpoint.planning.budget import checked_budget, resolve_budget
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.schedule.chain import MAX_ROWS, Chain, chain_of
from checkpoint.schedule.placement import arena_bytes
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import judge
from checkpoint.strategies import every_nth
from checkpoint.strategies.offloaded import every_nth_offloaded
from checkpoint.units import counted, format_bytes
from mlp import Network, NetworkError
from mlp.keywords import naming_keywords
from mlp.uptake import ONTO_WEIGHTS, possible_uptake


class ScheduledNetwork(Network):
    """A `Network` with a schedule for each batch size, and the place that schedules offload to.

    Its arguments are those of `NetworkWithCheckpointing`, which runs the schedules.
    """

    on_ranks = False
    """Whether several ranks train this network, each on its rows: schedules are then a rank's."""

    _schedules: dict[int, Schedule]
    _most_rows = 1
    """The rows of the largest mini-batch so far, or to come: text for a budget is of what that one takes."""

    @naming_keywords(Network.__init__, name="NetworkWithCheckpointing")
    def __init__(
        self,
        sizes: Iterable[int],
        *,
        checkpoint_every_nth_layer: int | None = None,
        budget_bytes: int | str | None = None,
        schedule: Schedule | Plan | None = None,
        offload: str | Path | Transfers | None = None,
        offloading: Offloading | None = None,
        **as_network: Any,
    ) -> None:
        check_offload(offload, offloading)
        super().__init__(sizes, **as_network)  # whose own arguments are named first, where one is wrong
        given = sum(choice is not None for choice in (checkpoint_every_nth_layer, budget_bytes, schedule))
        if given != 1:
            raise CheckpointError(
                f"give one of checkpoint_every_nth_layer, budget_bytes and schedule; got {given or 'none'} of them"
            )
        if checkpoint_every_nth_layer is not None:
            write = every_nth if offload is None else every_nth_offloaded
            n = whole_number("checkpoint_every_nth_layer", checkpoint_every_nth_layer)
            schedule = write(n_layers=self.n_layers, n=n)
        if isinstance(schedule, Plan):
            schedule = schedule.schedule
        if schedule is None:
            budget_bytes = checked_budget(budget_bytes)
        elif not isinstance(schedule, Schedule):
            raise CheckpointError(f"schedule must be a Schedule, such as a plan's; got {repr(schedule)[:60]}")
        else:
            judge(schedule, self.chain(schedule.batch_size or 1))
        self.budget_bytes = budget_bytes
        self.budget_given: int | str | None = budget_bytes
        """What errors call the budget: the text that it was given as."""
        self._place, self._offloading = offload, offloading
        self._schedule = schedule
        self.transfers = self._open_transfers()
        """Where activations are offloaded to; None where none are."""

    def _forget_steps(self) -> None:
        """Plans are made anew too, as what is held of gradients follows from the optimizer."""
        super()._forget_steps()
        self._schedules = {}

    def _open_transfers(self) -> Transfers | None:
        offloads = self._schedule is not None and self._schedule.offloads
        return transfers_to(self.backend, self._place, needed=offloads)

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self._place, Transfers):
            raise CheckpointError("this network was given Transfers, which are one network's, so it cannot be copied")
        state = super().__getstate__()
        del state["transfers"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.transfers = self._open_transfers()

    @property
    def _way(self) -> str:
        """The schedule, or the budget and the batch sizes that were planned for, in a few words."""
        if self._schedule is not None:
            return f"{self._schedule.name or 'a schedule'}, {counted(len(self._schedule), 'action')}"
        budget = self.budget_bytes if isinstance(self.budget_bytes, str) else format_bytes(self.budget_bytes or 0)
        rows = ", ".join(f"{size:,}" for size in self._schedules)
        return f"planned in {budget}" + (f" for batches of {rows}" if rows else " when the batch size is known")

    def chain(self, batch_size: int) -> Chain:
        """The chain that this network is for mini-batches of `batch_size` rows."""
        return chain_for(self, batch_size)

    def schedule_for(self, batch_size: int) -> Schedule:
        """The schedule of a step on `batch_size` rows; a plan is made once for each size.

        Raises `NetworkError` for a batch size below 1, `CheckpointError` or a subclass where no schedule can be had.
        """
        if type(batch_size) is int and batch_size in self._schedules:
            return self._schedules[batch_size]  # at once, as this is asked before each step
        batch_size = whole_number("the batch size", batch_size, most=MAX_ROWS, error=NetworkError)
        if batch_size not in self._schedules:
            # A smaller mini-batch than others fits where they do: it works in pieces of the same size.
            most = max(self._most_rows, batch_size)
            schedule = self._new_schedule(replace(self.chain(batch_size), planned_rows=most))
            self._schedules[batch_size], self._most_rows = schedule, most
        return self._schedules[batch_size]

    def expect_batches(self, sizes: Iterable[int]) -> None:
        """Make the schedules of mini-batches of `sizes` rows, before any step changes weights.

        A budget in percent is of the largest one's from now on. Raises as `schedule_for` does.
        """
        for batch_size in sorted(set(sizes), reverse=True):
            self.schedule_for(batch_size)

    def use_plan(self, schedule: Schedule, *, batch_size: int) -> bool:
        """Follow `schedule`, planned earlier for this budget, on `batch_size` rows; returns whether it can be.

        It cannot where it takes more than the budget, or offloads and this network does not.
        """
        if not isinstance(schedule, Schedule):
            raise CheckpointError(f"schedule must be a Schedule, such as a plan's; got {repr(schedule)[:60]}")
        if self.budget_bytes is None or (schedule.offloads and self.transfers is None):
            return False
        try:
            chain = self.chain(batch_size)
            judge(schedule, chain)
            fits = arena_bytes(schedule, chain) <= self._budget_for(chain)
        except CheckpointError:
            return False
        if fits:
            self._schedules[batch_size] = schedule
            self._most_rows = max(self._most_rows, batch_size)
        return fits

    @property
    def saved_arguments(self) -> Mapping[str, str]:
        """The schedule, or the budget and the plans made for it, as text for a saved state."""
        return arguments_text(budget_bytes=self.budget_bytes, schedule=self._schedule, plans=self._schedules)

    def _new_schedule(self, chain: Chain) -> Schedule:
        if self._schedule is not None:
            schedule = self._schedule.for_batch(chain.batch_size)
            judge(schedule, chain)
            return schedule
        if self._place is not None and self._offloading is None:
            self._offloading = self._measured_rates()
        budget_bytes = self._budget_for(chain)
        return plan_chain(
            chain, budget_bytes=budget_bytes, offloading=self._offloading, given=self.budget_given
        ).schedule

    def _measured_rates(self) -> Offloading:
        """The rates of the place that this network offloads to."""
        assert self._place is not None  # noqa: S101
        return rates_of(self.backend, self._place, dtype=self.dtype)

    def _budget_for(self, chain: Chain) -> int:
        """The bytes of the budget for `chain`: those for the largest mini-batch, where it is smaller than that."""
        largest = replace(chain, batch_size=max(self._most_rows, chain.batch_size))
        return resolve_budget(self.budget_bytes or 0, largest)


def chain_for(network: Network, batch_size: int) -> Chain:
    """The chain that `network` is, plain or not, for mini-batches of `batch_size` rows."""
    chain = chain_on(network.backend, network.sizes, batch_size=batch_size, dtype=network.dtype)
    halves = network.stored is not None
    return replace(chain, uptake=network.uptake, whole_gradients=network.whole_gradients, halves=halves)


def chain_on(backend: Backend, sizes: Iterable[int], *, batch_size: int, dtype: str = "float32") -> Chain:
    """`chain_of` for whichever backend is at hand, by what it says of itself."""
    return replace(
        chain_of(sizes, batch_size=batch_size, dtype=dtype),
        allocation_bytes=backend.facts.allocation_bytes,
        error_in_place=backend.facts.error_in_place,
        sum_rows=backend.facts.chunk_rows,
        uptake=possible_uptake(ONTO_WEIGHTS, backend.facts),
    )
