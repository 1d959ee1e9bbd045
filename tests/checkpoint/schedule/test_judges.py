"""The two judges of schedules agree: what `simulate` accepts, the interpreter on symbols accepts, in the same bytes."""

from copy import copy
from random import Random

import pytest

from checkpoint import Action, Backward, Chain, Forward, Release, Schedule, simulate
from checkpoint.schedule.holding import Holding, Refused
from tests.checkpoint.exhaustive import interpret

CHAIN = Chain((2, 1, 3, 2), 3)


def all_actions(chain: Chain) -> list[Action]:
    """Every action on every range of rows."""
    batch, actions = chain.batch_size, []
    for layer in range(1, chain.n_layers + 1):
        for start in range(batch):
            for stop in range(start + 1, batch + 1):
                rows = None if stop - start == batch else (start, stop)
                actions += [Forward(layer, rows), Release(layer, rows), Backward(layer, rows)]
                actions += [Forward(layer, rows, whole=True)] if rows else []
    return actions


def copied(holding: Holding) -> Holding:
    """The same state, to be changed apart."""
    other = copy(holding)
    other.held = {layer: copy(held) for layer, held in holding.held.items()}
    other.run_rows, other.done_rows = dict(holding.run_rows), dict(holding.done_rows)
    return other


def random_walk(random: Random, chain: Chain) -> list[Action] | None:
    """Actions that `simulate` accepts one after another, up to the last gradient; None where they end before it."""
    holding, walk, actions = Holding(chain), [], all_actions(chain)
    while holding.unfinished_layer() is not None and len(walk) < 60:
        accepted = []
        for action in actions:
            after = copied(holding)
            try:
                after.take(action)
            except Refused:
                continue
            accepted.append((action, after))
        if not accepted:
            return None
        backward = [pair for pair in accepted if isinstance(pair[0], Backward)]
        action, holding = random.choice(backward if backward and random.random() < 0.5 else accepted)
        walk.append(action)
    return walk if holding.unfinished_layer() is None else None


@pytest.mark.parametrize("seed", range(4))
def test_walks_that_simulate_accepts_compute_every_gradient(seed: int) -> None:
    random = Random(seed)
    finished = [walk for walk in (random_walk(random, CHAIN) for _ in range(40)) if walk is not None]
    assert finished
    for walk in finished:
        schedule = Schedule(CHAIN.n_layers, tuple(walk), "", CHAIN.batch_size)
        assert simulate(schedule, CHAIN).peak_bytes == interpret(schedule, CHAIN).peak_bytes
