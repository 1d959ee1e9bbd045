"""A run within one limit for the whole process: its budget before, and beside it what the process had at its peak."""

from dataclasses import dataclass, replace

from backend import Backend, peak_resident_bytes, resident_bytes
from checkpoint.errors import CheckpointError
from checkpoint.planning.plan import search_of
from checkpoint.planning.process import ProcessMemory, check_room, memory_report, memory_within
from checkpoint.runs.settings import RunSettings
from checkpoint.units import format_bytes, parse_bytes
from mlp.data import Dataset
from mlp.training.samples import divisor_of_samples


@dataclass(frozen=True, slots=True)
class Limited:
    """A run's settings with the budget that its limit leaves, and how that came about."""

    settings: RunSettings
    memory: ProcessMemory
    backend: Backend

    @property
    def peak_bytes(self) -> int:
        """The resident peak of the process, or what its GPU has in use: a pool gives nothing back."""
        device = self.backend.device_memory()
        return peak_resident_bytes() if device is None else device.outside_bytes + device.pool_bytes

    def text(self) -> str:
        """The line that says it."""
        peak = self.peak_bytes
        within = "within" if peak <= self.memory.limit_bytes else "ABOVE"
        return f"memory limit: {self.memory}\nat its peak the process had {format_bytes(peak)}, {within} the limit"


def limit_report(found: Limited | None) -> dict[str, int | None]:
    """The parts of a limit, and the most that was in use: measured now, after the run. None where there is none."""
    if found is None:
        return {**memory_report(None), "peak_bytes": None}
    return {**memory_report(found.memory), "peak_bytes": found.peak_bytes}


def limited(limit: str, settings: RunSettings, backend: Backend, dataset: Dataset) -> Limited:
    """`settings` with the budget that a limit such as "512MiB" leaves now, once the `dataset` is loaded.

    Raises `BudgetError` where no step fits, with the limit that would do, and `CheckpointError` for another way to
    checkpoint beside it.
    """
    if settings.checkpoint not in ("none", "optimal") or settings.budget is not None:
        raise CheckpointError("--memory-limit makes the budget itself; leave out --budget and --checkpoint")
    device = backend.device_memory()
    resident = resident_bytes() if device is None else device.outside_bytes + device.pool_bytes
    states = len(settings.optimizer_made.state_names)
    pixels = divisor_of_samples(dataset.train, dataset.preparation.scaling) is not None
    memory = memory_within(parse_bytes(limit), settings.chain, resident_bytes=resident, states=states, pixels=pixels)
    check_room(memory, search_of(settings.chain))
    budget = replace(settings, checkpoint="optimal", budget=str(memory.budget_bytes))
    return Limited(budget, memory, backend)
