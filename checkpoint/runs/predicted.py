"""What a run's steps on whole mini-batches are predicted to take, in one process or on one rank of several."""

from dataclasses import dataclass

from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.runs.settings import RunSettings
from checkpoint.schedule.placement import arena_bytes
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation, simulate
from mlp import Network


@dataclass(frozen=True, slots=True)
class Predicted:
    """A step on `rows` rows: its schedule, what that costs, and its peak and arena in bytes above rest.

    On ranks `rows` and the peak are this rank's; all else is that of the largest row block.
    """

    rows: int
    schedule: Schedule
    simulation: Simulation
    peak_bytes: int
    arena_bytes: int


def predicted(settings: RunSettings, network: Network) -> Predicted:
    """The prediction for a whole mini-batch of a run. Raises `BudgetError` where no plan fits the budget."""
    batch_size = settings.batch_size
    if isinstance(network, NetworkOnRanks) and network.on_ranks:
        part = network.part(batch_size)
        rows = max(stop - start for start, stop in part.wave.blocks)
        simulation = simulate(part.wave.schedule, network.chain(rows))
        arena = network.arenas.places(network, rows, gradients=False, uptake=network.uptake).arena_bytes
        peak_bytes = network.predicted_peak_bytes(batch_size)
        return Predicted(network.own_rows(batch_size), part.wave.schedule, simulation, peak_bytes, arena)
    if isinstance(network, NetworkWithCheckpointing):
        schedule = network.schedule_for(batch_size)
        arena = network.arenas.places(network, batch_size, gradients=True, uptake=network.uptake).arena_bytes
    else:
        schedule = settings.choice.schedule(settings.chain)
        arena = arena_bytes(schedule, settings.chain)
    simulation = simulate(schedule, settings.chain)
    return Predicted(batch_size, schedule, simulation, simulation.peak_bytes, arena)
