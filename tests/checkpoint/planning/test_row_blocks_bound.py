"""How far the smallest plans with row blocks are above the smallest peak of all schedules, by exhaustive search.

The search walks through every state of `Holding`, whose rules `simulate` has, so it knows nothing of classes.
"""

from copy import copy
from heapq import heappop, heappush
from itertools import count
from random import Random

import pytest

from checkpoint import Action, Backward, Chain, Forward, Release, chain_of
from checkpoint.planning.plan import search_of
from checkpoint.schedule.holding import Holding, Refused

Key = tuple[object, ...]


def smallest_peak(chain: Chain, below: int) -> int:
    """The least peak of any schedule on `chain`, with row blocks of all sizes; `below` where none is less."""
    batch, layers = chain.batch_size, range(1, chain.n_layers + 1)
    rows = [(start, stop) for stop in range(1, batch + 1) for start in range(stop)]
    actions: list[Action] = [
        kind(layer, each) for layer in layers for each in rows for kind in (Forward, Backward, Release)
    ]
    actions += [Forward(layer, each, whole=True) for layer in layers for each in rows]
    start = Holding(chain)
    best: dict[Key, int] = {_key(start): 0}
    waiting, order = [(0, 0, start)], count(1)
    while waiting:
        most, _, state = heappop(waiting)
        if most > best[_key(state)]:
            continue
        if state.unfinished_layer() is None and set(state.held) == {0}:
            return most
        for action in actions:
            following = Holding(
                chain, state.bytes, {layer: copy(held) for layer, held in state.held.items()}, {}, dict(state.done_rows)
            )
            try:
                peak = max(most, following.take(action)[0])
            except Refused:
                continue
            if peak < min(below, best.get(_key(following), below)):
                best[_key(following)] = peak
                heappush(waiting, (peak, next(order), following))
    return below


def _key(state: Holding) -> Key:
    held = sorted((layer, each.start, each.stop, each.turned, each.made) for layer, each in state.held.items())
    return tuple(held), tuple(sorted(state.done_rows.items()))


def planned_peak(chain: Chain) -> int:
    """The smallest peak that is planned with row blocks down to one row; the same pieces for both."""
    return search_of(chain, minimum_block_rows=1, pieces="large").smallest.need_bytes


@pytest.mark.parametrize("seed", range(2))
def test_the_smallest_peak_with_row_blocks_is_near_the_least_of_all_schedules(seed: int) -> None:
    random = Random(seed)
    missed = 0
    for _ in range(8):
        n_layers = random.randint(2, 3)
        widths = tuple(random.randint(1, 5) for _ in range(n_layers + 1))
        chain = Chain(widths, 3 if n_layers == 2 else 2)  # three rows of three layers take a second each
        planned = planned_peak(chain)
        least = smallest_peak(chain, planned)
        assert planned <= 1.05 * least, (chain, planned, least)
        missed += least < planned
    assert missed <= 1


def test_a_known_chain_has_no_smaller_schedule() -> None:
    """64 bytes are enough only for wrong gradients: rows that can no longer become the error."""
    assert planned_peak(chain_of([2, 2, 2, 2], batch_size=3)) == smallest_peak(
        chain_of([2, 2, 2, 2], batch_size=3), 10**9
    )
