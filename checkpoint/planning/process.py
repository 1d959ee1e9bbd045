"""One limit for all that a process takes: what it has, what a run adds, and what is left for a step. No arrays here.

On NumPy that is the process's resident set. On a GPU it is all that is in use there: the context, cuBLAS, the pool and,
as no driver tells them apart, other processes. What is resident now is asked of the system; everything else follows
from the chain.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields

from backend.facts import FACTS
from checkpoint.errors import BudgetError
from checkpoint.planning.fitting import AnySearch, smallest_fitting
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain
from checkpoint.units import format_bytes, rounded_up

MARGIN_BYTES = 8 * 2**20
"""What is left free: for modules that are loaded later, what malloc keeps, and pages that are half used."""

GPU_LIBRARIES_BYTES = 640 * 2**20
"""What a GPU that nothing runs on yet will have of a context and cuBLAS: 500 to 600 MiB, by its model."""

PROCESS_BYTES = 42 * 2**20
"""What a process that trains on NumPy has beside its arrays and its data: Python, libraries, kernels; 41 on Linux."""

UNCOMPILED_BYTES = 4 * 2**20
"""Panels of BLAS and what NumPy's own kernels work in, or a GPU's: the compiled kernels say what theirs take."""

EVALUATED_ROWS = 1000
"""Rows that are evaluated at once, as `mlp.training.metrics` has it."""


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """`limit_bytes` and its parts. `resident_bytes` are there now, or will be once libraries are loaded.

    `rest_bytes`: parameters and optimizer state. `data_bytes`: mini-batches, and data that is not resident yet.
    `scratch_bytes`: what kernels' threads work in, which is resident at rest, beyond what they have already; and an
    evaluation, or the copy of the largest layer's weights that hashing and saving make. `margin_bytes` stay free.
    """

    limit_bytes: int
    resident_bytes: int
    rest_bytes: int
    data_bytes: int
    scratch_bytes: int
    margin_bytes: int = MARGIN_BYTES

    @property
    def taken_bytes(self) -> int:
        """All but the step."""
        return self.resident_bytes + self.rest_bytes + self.data_bytes + self.scratch_bytes + self.margin_bytes

    @property
    def budget_bytes(self) -> int:
        """What is left for a step: nothing, where less than that is."""
        return max(0, self.limit_bytes - self.taken_bytes)

    def __str__(self) -> str:
        return (
            f"{format_bytes(self.limit_bytes)} for the whole process: {format_bytes(self.resident_bytes)} resident, "
            f"{format_bytes(self.rest_bytes)} of parameters, {format_bytes(self.data_bytes)} of mini-batches, "
            f"{format_bytes(self.scratch_bytes)} of scratch, {format_bytes(self.margin_bytes)} of margin; "
            f"{format_bytes(self.budget_bytes)} left for a step"
        )


def memory_report(memory: ProcessMemory | None) -> dict[str, int | None]:
    """Every part in bytes, for a report; all of them None where there is no limit."""
    names = (*(field.name for field in fields(ProcessMemory)), "budget_bytes")
    return {name: None if memory is None else getattr(memory, name) for name in names}


def batches_bytes(chain: Chain, *, rows: int | None = None, pixels: bool = False, ahead: bool = True) -> int:
    """The bytes of the mini-batches held between steps and in them, or of `rows` rows of each.

    On a GPU that is the next one too, which is on its way, unless none is taken `ahead`; its inputs are bytes there
    where the data's are in uint8, which `pixels` says.
    """
    rows = chain.batch_size if rows is None else rows
    inputs, targets = (chain.array_bytes(rows * width) for width in (chain.widths[0], chain.widths[-1]))
    if not (ahead and _on_gpu(chain)):
        return inputs + targets
    unit = chain.allocation_bytes
    coming = -(-rows * chain.widths[0] // unit) * unit if pixels else inputs
    return inputs + coming + 2 * targets


def memory_within(
    limit_bytes: int, chain: Chain, *, resident_bytes: int | None = None, states: int = 0, pixels: bool = False
) -> ProcessMemory:
    """How `limit_bytes` are split in a run on `chain`, whose optimizer keeps `states` arrays for each parameter.

    `resident_bytes`: what is there now; by default it is asked of this process, or of the GPU that the chain is for.
    `pixels`: whether the data's inputs are in uint8, see `batches_bytes`.
    """
    item = chain.item_bytes
    widths, layers = chain.widths, range(1, chain.n_layers + 1)
    on_gpu = _on_gpu(chain)
    row = widths[0] + widths[-1]
    evaluated = EVALUATED_ROWS * (row + widths[-1] + 2 * max(widths[1:])) * item
    largest = max(widths[layer - 1] * widths[layer] for layer in layers) * item
    return ProcessMemory(
        limit_bytes=limit_bytes,
        resident_bytes=_resident(on_gpu=on_gpu) if resident_bytes is None else resident_bytes,
        rest_bytes=(1 + states) * sum(widths[layer] * (widths[layer - 1] + 1) for layer in layers) * item,
        data_bytes=batches_bytes(chain, pixels=pixels),
        scratch_bytes=_kernels_bytes(chain, on_gpu=on_gpu) + max(evaluated, 0 if on_gpu else largest),
    )


def _kernels_bytes(chain: Chain, *, on_gpu: bool) -> int:
    """What kernels will work in on this machine, beyond what is resident for it now."""
    from backend.numpy.kernels import scratch
    from backend.numpy.kernels.loading import kernels_here

    library = None if on_gpu else kernels_here()[0]
    return UNCOMPILED_BYTES if library is None else scratch.coming_bytes(library, chain.widths, 8 * chain.item_bytes)


def check_room(memory: ProcessMemory, search: AnySearch) -> None:
    """Raise `BudgetError` where no step that `search` finds fits in what is left, with the limit that would do."""
    least = smallest_fitting(search).arena_bytes
    if least <= memory.budget_bytes:
        return
    needed = memory.taken_bytes + least
    parts = {
        "what is resident": memory.resident_bytes,
        "the parameters": memory.rest_bytes,
        "the mini-batch": memory.data_bytes,
        "the step": least,
    }
    raise BudgetError(
        f"memory limit {memory}; the smallest step takes {format_bytes(least)} at batch {search.chain.batch_size}. It "
        f"would fit in --memory-limit {needed} ({rounded_up(needed)}), of which the largest part is {largest(parts)}",
        budget_bytes=memory.limit_bytes,
        minimum_bytes=needed,
    )


def parts_of(chain: Chain, peak_bytes: int, *, states: int = 0) -> dict[str, int]:
    """What a run takes beside its data: what `plan` shows, in bytes by name; `states` as in `memory_within`."""
    resident = GPU_LIBRARIES_BYTES if _on_gpu(chain) else PROCESS_BYTES
    memory = memory_within(0, chain, resident_bytes=resident)
    return {
        "parameters": memory.rest_bytes,
        "optimizer_state": states * memory.rest_bytes,
        "step": peak_bytes,
        "mini_batches": memory.data_bytes,
        "libraries": memory.resident_bytes,
    }


def pool_bytes(chain: Chain, arena_bytes: int) -> int | None:
    """What a pool on a GPU takes from the driver for a run, without an optimizer's state; None on NumPy.

    Parameters, each array rounded up, mini-batches, and one block of `arena_bytes`, which a step lies in.
    """
    if isinstance(chain, GeneralChain) or not _on_gpu(chain):
        return None
    parameters = sum(map(chain.gradient_bytes, range(1, chain.n_layers + 1)))
    return parameters + batches_bytes(chain) + -(-arena_bytes // chain.allocation_bytes) * chain.allocation_bytes


def largest(parts: Mapping[str, int]) -> str:
    """The name of the largest part."""
    return max(parts, key=lambda name: parts[name])


def _on_gpu(chain: Chain) -> bool:
    return chain.allocation_bytes != FACTS["numpy"].allocation_bytes


def _resident(*, on_gpu: bool) -> int:
    """The bytes in use now, or those that there will be once what trains is loaded."""
    if not on_gpu:
        from backend import resident_bytes

        return resident_bytes() if "numpy" in sys.modules else max(resident_bytes(), PROCESS_BYTES)
    if "cupy" not in sys.modules:
        return GPU_LIBRARIES_BYTES
    from backend import select_backend

    memory = select_backend("cupy").device_memory()
    return GPU_LIBRARIES_BYTES if memory is None else memory.outside_bytes + memory.pool_bytes
