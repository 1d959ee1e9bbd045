"""What of a network that several ranks train is this rank's: its layers, its rows, its schedules and its memory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from checkpoint.errors import CheckpointError
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.ranks.batches import ShareOfBatches
from checkpoint.execution.ranks.costs import CostParts, mean_of
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.links.device import DeviceLink, link_of_arrays
from checkpoint.execution.ranks.offloading import own_place, same_rates
from checkpoint.execution.ranks.parts import Part, Parts
from checkpoint.execution.ranks.saving import save_on_ranks
from checkpoint.execution.ranks.seeds import are_wanted
from checkpoint.execution.ranks.slots import Slots
from checkpoint.execution.saved import CHOICES
from checkpoint.planning.planned import Plan
from checkpoint.ranks.cutting import check_block_rows, check_cut, own_blocks, shares
from checkpoint.ranks.items import owners_of
from checkpoint.ranks.planned import pinned_bytes, plan_in
from checkpoint.ranks.slots import SlotSizes
from checkpoint.schedule.actions import Rows
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation, simulate
from checkpoint.strategies import store_all
from mlp import StateError
from mlp.overriding import is_as_written
from mlp.sizes import check_sizes
from mlp.training.batches import Batches
from mlp.updated import UPTAKE_METHODS
from mlp.uptake import IN_PIECES, uptake_of


class SharedNetwork(NetworkWithCheckpointing):
    """A network of which every rank of `link` has one.

    Its arguments are those of `NetworkOnRanks`, which takes the steps.
    """

    def __init__(
        self,
        sizes: Iterable[int],
        *,
        link: Link,
        block_rows: int | None = None,
        sum_groups: int | None = None,
        **arguments: Any,
    ) -> None:
        widths = check_sizes(sizes)
        self.block_rows = None if block_rows is None else check_block_rows(block_rows)
        self.sum_groups = check_cut(block_rows, sum_groups)
        self.link, self.on_ranks = link, link.ranks > 1 or sum_groups is not None
        self.owners = owners_of(widths, link.ranks)
        cut: dict[str, Any] = {"ranks": link.ranks, "block_rows": self.block_rows, "sum_groups": self.sum_groups}
        self._parts = Parts(link.rank, self.owners, **cut)
        if not any(arguments.get(name) is not None for name in CHOICES):
            arguments["schedule"] = store_all(n_layers=len(widths) - 1)
        super().__init__(widths, **arguments | {"offload": own_place(arguments.get("offload"), link.rank)})
        facts = self.backend.facts
        if self.on_ranks and facts.chunk_rows is None and not facts.asynchronous:
            raise CheckpointError(
                f"ranks need kernels that add up in one order however rows are cut, the compiled ones of numpy, or a "
                f"GPU; here they are those of {self.backend.variant}"
            )
        if self.stored is not None:
            raise CheckpointError(f"ranks keep activations in full; leave {self.stored} out of precision")
        if link.ranks > 1:
            self.link = link_of_arrays(link, self.backend)
        if self._schedule is not None and self._schedule.row_block and self.on_ranks:
            raise CheckpointError(
                "ranks cut the mini-batch themselves; give a schedule without row blocks, and their rows as block_rows"
            )
        if self.on_ranks and self._place is not None and self.budget_bytes is not None:
            self._offloading = same_rates(link, lambda: self._offloading or self._measured_rates())
        self.costs = CostParts(self.cost_total, self.backend.facts.chunk_rows)
        """The costs of this rank's rows; with those of others they are an epoch's, in the bits of one process."""
        if self.on_ranks and facts.chunk_rows is not None:  # a GPU's are added up there: nothing waits for it
            self.cost_total = self.costs
        self._slots: tuple[int, Slots] | None = None
        self._coming_rows: int | None = None

    def _zeros(self) -> tuple[tuple[Any, Any], ...]:
        """The arrays of this rank's own layers; those of the others are empty."""
        shapes = [
            [a.shape if self.owns(k + 1) else (0, *a.shape[1:]) for k, a in enumerate(arrays)]
            for arrays in (self.weights, self.biases)
        ]
        pair = [self.backend.empties(some, self.dtype) for some in shapes]
        for array in (*pair[0], *pair[1]):
            self.backend.set_(array, 0)
        return tuple(zip(*pair, strict=True))

    def owns(self, layer: int) -> bool:
        """Whether this rank has the optimizer state of `layer`, and applies its gradients."""
        return self.owners[layer - 1] == self.link.rank

    def chain(self, batch_size: int) -> Chain:
        chain = super().chain(batch_size)
        return replace(chain, adds_up=True) if self.on_ranks else chain

    def schedule_for(self, batch_size: int) -> Schedule:
        """The schedule of row blocks of `batch_size` rows: that of the largest block, so that all ranks follow one."""
        if not self.on_ranks or self._schedule is not None:
            return super().schedule_for(batch_size)
        return super().schedule_for(max(batch_size, self._parts.most_own))

    def expect_batches(self, sizes: Iterable[int]) -> None:
        if not self.on_ranks:
            super().expect_batches(sizes)
            return
        for rows in sorted(set(sizes), reverse=True):
            self.part(rows)

    def _new_schedule(self, chain: Chain) -> Schedule:
        if self._schedule is not None or not self.on_ranks:
            return super()._new_schedule(chain)
        return self.plan_for(chain).schedule

    def plan_for(self, chain: Chain) -> Plan:
        """The plan in a rank's budget for `chain`, the largest row block."""
        rows = chain.planned_rows or chain.batch_size
        slot_bytes = chain.array_bytes(self._parts.most_slot_values(chain, rows))
        return plan_in(self.budget_bytes or 0, chain, slot_bytes=slot_bytes, offloading=self._offloading)

    def save(self, path: str | Path, *, keep: int = 0) -> None:
        """As `Network.save`, by all ranks together: rank 0 writes the file of one process."""
        if not self.on_ranks:
            super().save(path, keep=keep)
        elif not save_on_ranks(path, self, keep=keep, notes=self.saved_notes) and self.link.rank:
            raise StateError("could not be saved by rank 0", path=Path(path))

    def __getstate__(self) -> dict[str, Any]:
        raise CheckpointError("a network on ranks is bound to its link, so it cannot be copied; save it and load that")

    @property
    def saved_arguments(self) -> Mapping[str, str]:
        """As those of a network in one process; plans are a rank's, and made again."""
        kept, self._schedules = self._schedules, {}
        try:
            return super().saved_arguments
        finally:
            self._schedules = kept

    @property
    def uptake(self) -> str:
        """On ranks, gradients are passed on in pieces; a layer's sum may begin with its velocity."""
        others = tuple(name for name in UPTAKE_METHODS if name != "backward_layer")  # which is as ever on one rank
        as_ever = not self.on_ranks and is_as_written(self, others)
        return uptake_of(self.optimizer, self.backend.facts) if as_ever else IN_PIECES

    @property
    def is_seeded(self) -> bool:
        """Whether sums begin with velocities, as they do in one process; those of groups begin with nothing."""
        return self.sum_groups is None and are_wanted(self)

    # What this rank does in a step

    def part(self, rows: int) -> Part:
        """This rank's part in a step on a mini-batch of `rows` rows."""
        return self._parts.part(rows, self)

    def predicted_peak_bytes(self, rows: int) -> int:
        """The most bytes above rest that this rank takes in a step on a mini-batch of `rows` rows."""
        if not self.on_ranks:
            return simulate(self.schedule_for(rows), self.chain(rows)).peak_bytes
        return max((step.peak_bytes for step in self._simulations(rows)), default=0)

    def predicted_host_bytes(self, rows: int) -> int:
        """The most bytes of activations that this rank offloads at once in a step on a mini-batch of `rows` rows."""
        return max((step.host_peak_bytes for step in self._simulations(rows)), default=0)

    def _simulations(self, rows: int) -> list[Simulation]:
        """A step of each size that this rank's row blocks have, of a mini-batch of `rows` rows."""
        part = self.part(rows)
        sizes = {stop - start for start, stop in part.own}
        return [simulate(part.wave.schedule, self.chain(size)) for size in sizes]

    def own_rows(self, rows: int) -> int:
        """How many rows of a mini-batch of `rows` rows are this rank's."""
        return rows if not self.on_ranks else sum(stop - start for start, stop in self.part(rows).own)

    def reserve(self, rows: int) -> int:
        """Allocate what steps on mini-batches of at most `rows` rows need between them; returns its bytes."""
        if not self.on_ranks:
            return 0
        self.part(rows)
        if self._slots is None or self._slots[0] != self._parts.most_rows:
            self._slots = None  # before the larger ones exist
            slots = Slots(self._slot_sizes, self.sizes, self.backend, self.dtype)
            self._slots = self._parts.most_rows, slots
            if isinstance(self.link, DeviceLink):
                seeds = [self.velocities[layer - 1] for layer in self._seeds_sent]
                self.link.pin([*slots.passed, *self.weights, *self.biases, *(a for pair in seeds for a in pair)])
        return self._slots[1].nbytes

    @property
    def _slot_sizes(self) -> SlotSizes:
        most = self._parts.most_own
        return self._parts.slots(self.chain(most), most)

    @property
    def _seeds_sent(self) -> list[int]:
        """The layers whose velocities this rank sends to where sums begin."""
        return [k for k, owner in enumerate(self.owners, 1) if self.is_seeded and owner == self.link.rank != 0]

    def predicted_pinned_bytes(self, rows: int) -> int:
        """What this rank pins of the host's memory, to pass on what is on a GPU, for mini-batches of `rows` rows."""
        self.part(rows)
        if not isinstance(self.link, DeviceLink) or self.link.direct:
            return 0
        return pinned_bytes(self._slot_sizes, self.chain(rows), self._seeds_sent)

    # Data

    def share_of(self, data: Batches) -> Batches:
        """This rank's rows of the mini-batches of `data`, for `update_mini_batch`."""
        return data if not self.on_ranks else ShareOfBatches(self, data)

    def evaluated_rows(self, rows: int) -> tuple[int, int]:
        """This rank's share of a data set."""
        own = own_blocks(shares(rows, self.link.ranks), self.link.rank, self.link.ranks)
        return own[0] if own else (0, 0)

    def all_sums(self, sums: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """The sums of all ranks, which all of them have then."""
        return [(correct, cost) for text in self.link.exchange(json.dumps(sums)) for correct, cost in json.loads(text)]

    def mean_step_cost(self) -> float | None:
        if not self.on_ranks:
            return super().mean_step_cost()
        if self.cost_total is self.costs:
            return mean_of(self.link.exchange(self.costs.to_text()))
        weights, values = zip(*self.all_sums([(self.cost_total.weight, self.cost_total.value)]), strict=True)
        return sum(values) / sum(weights) if any(weights) else None

    def expect(self, rows: int) -> tuple[Rows, ...]:
        """The next mini-batch has `rows` rows, of which `update_mini_batch` is given these, this rank's alone."""
        self._coming_rows = rows
        self.reserve(rows)
        return self.part(rows).own
