"""Where arrays lie for each size of mini-batch, and that finding it writes no schedule out."""

from checkpoint import Chain, Schedule, chain_of, micro_batches
from checkpoint.execution.arenas import Arenas


class Sliced:
    """A schedule in row blocks for mini-batches of 40 rows or fewer."""

    def __init__(self) -> None:
        self.whole = micro_batches(n_layers=3, batch_size=40, rows=10)
        self.made = {40: self.whole, 20: self.whole.for_batch(20)}

    def schedule_for(self, batch_size: int) -> Schedule:
        return self.made[batch_size]

    def chain(self, batch_size: int) -> Chain:
        return chain_of([8, 6, 5, 4], batch_size=batch_size)


def test_a_smaller_mini_batch_that_fits_is_compared_with_no_actions() -> None:
    network, arenas = Sliced(), Arenas()
    most, fewer = (arenas.places(network, rows, gradients=True, uptake="in pieces") for rows in (40, 20))
    assert fewer.arena_bytes <= most.arena_bytes
    assert not any(map(_written, network.made.values()))
    assert network.whole.actions
    assert _written(network.whole)


def _written(schedule: Schedule) -> bool:
    try:
        object.__getattribute__(schedule, "actions")
    except AttributeError:
        return False
    return True
