"""What a planned schedule takes, without running through all of its actions. No arrays here.

`checkpoint.schedule.simulation.simulate` is the judge, and says the same of each action; a search asks for the sums
alone, of many schedules, whose row blocks repeat themselves.
"""

from dataclasses import dataclass, replace

from checkpoint.schedule.actions import Forward
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.placement import most_live_bytes, place
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate


@dataclass(frozen=True, slots=True)
class Weight:
    """The sums of a `Simulation`, under its names, and the bytes of the arena."""

    peak_bytes: int
    arena_bytes: int
    recomputed_layers: int
    recomputed_flops: int
    forward_flops: int
    offloaded_bytes: int = 0
    host_peak_bytes: int = 0

    @property
    def recompute_fraction(self) -> float:
        """Recomputed forward operations over those of one forward pass."""
        return self.recomputed_flops / self.forward_flops if self.forward_flops else 0.0


def weigh(schedule: Schedule, chain: Chain) -> Weight:
    """What `schedule`, one of a strategy or a search for `chain`, takes.

    It is taken for granted that `simulate` accepts it, and that each of its runs, for the whole mini-batch or in row
    blocks, is over all rows: then what runs again is all that runs but one forward pass.
    """
    placement = place(schedule, chain, briefly=True)
    columns = placement.columns
    sizes = {values: chain.array_bytes(values) for values in set(columns.values)}
    peak = most_live_bytes([sizes[values] for values in columns.values], columns.firsts, columns.lasts)
    rows, flops = _run_forward(schedule, chain)
    once = chain.total_forward_flops
    again = rows - chain.batch_size * chain.n_layers
    weight = Weight(peak, placement.arena_bytes, -(-again // chain.batch_size), flops - once, once)
    if not schedule.offloads:
        return weight
    found = simulate(schedule, chain)
    return replace(weight, offloaded_bytes=found.offloaded_bytes, host_peak_bytes=found.host_peak_bytes)


def _run_forward(schedule: Schedule, chain: Chain) -> tuple[int, int]:
    """The rows that layers run forward in all, and the operations of that."""
    all_rows = all_flops = 0
    for stretch in schedule.stretches:
        layers = [action.layer for action in stretch.body if isinstance(action, Forward)]
        for turn_rows, times in stretch.turns():
            start, stop = turn_rows or (0, chain.batch_size)
            all_rows += times * (stop - start) * len(layers)
            all_flops += times * sum(chain.forward_flops(layer, stop - start) for layer in layers)
    return all_rows, all_flops
