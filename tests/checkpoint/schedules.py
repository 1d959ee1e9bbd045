"""Random schedules of every kind, for whoever reads schedules."""

from collections.abc import Callable, Iterator
from random import Random

from checkpoint import (
    Action,
    Backward,
    BudgetError,
    Chain,
    Forward,
    Release,
    Schedule,
    binomial,
    every_nth,
    micro_batches,
    offloaded,
    plan_chain,
    simulate,
    store_all,
)
from checkpoint.schedule.stretches import Stretch, written
from checkpoint.strategies.sweeps import sweep, there_and_back_in_row_blocks
from mlp.pieces import PIECES
from tests.checkpoint.chains import taken_up

KINDS = (
    "tree",
    "store all",
    "every n-th",
    "binomial",
    "micro-batches",
    "offloaded",
    "planned",
    "planned in blocks",
    "over segments",
)


def a_chain(random: Random, *, most_layers: int = 14, most_rows: int = 16, most_units: int = 200) -> Chain:
    """A chain of 1 layer or more; where the batch is odd, errors are made in place. Gradients are taken up anyhow."""
    units = random.choice((3, 9, 40, 200))
    widths = tuple(random.randint(1, min(units, most_units)) for _ in range(random.randint(1, most_layers) + 1))
    batch_size = random.randint(1, most_rows)
    allocation_bytes = random.choice((1, 1, 512))
    chain = Chain(widths, batch_size, random.choice((4, 8)), allocation_bytes, error_in_place=batch_size % 2 == 1)
    return taken_up(chain, sum(widths))


def a_schedule(random: Random, chain: Chain, kind: str) -> Schedule:
    """A schedule of one of `KINDS`, that `simulate` accepts for `chain`."""
    n_layers, batch_size = chain.n_layers, chain.batch_size
    if kind == "tree":
        return persistent_tree(n_layers, lambda n: random.randrange(n + 1) if random.random() < 0.8 else 0)
    if kind == "store all":
        return store_all(n_layers=n_layers)
    if kind == "every n-th":
        return every_nth(n_layers=n_layers, n=random.randint(1, n_layers))
    if kind == "binomial":
        return binomial(n_layers=n_layers, slots=random.randint(1, n_layers))
    if kind == "micro-batches":
        return micro_batches(n_layers=n_layers, batch_size=batch_size, rows=random.randint(1, batch_size))
    if kind == "offloaded":
        return offloaded(n_layers=n_layers, checkpoints=[k for k in range(1, n_layers) if random.random() < 0.5])
    if kind == "over segments":
        return over_segments(random, chain)
    return planned(random, chain, row_blocks=kind == "planned in blocks", pieces=random.choice(PIECES))


def over_segments(random: Random, chain: Chain) -> Schedule:
    """A checkpoint for the mini-batch, and on both sides of it row blocks with checkpoints of their own."""
    n, batch_size = chain.n_layers, chain.batch_size
    cut = random.randrange(n)
    inside = [layer for layer in range(1, n) if layer != cut and random.random() < 0.5]
    behind = there_and_back_in_row_blocks(
        n, batch_size, [cut, *(k for k in inside if k > cut), n], random.randint(1, batch_size)
    )
    stretches = [Stretch(tuple(sweep(0, cut))), behind]
    if cut:
        before = [0, *(k for k in inside if k < cut), cut]
        stretches.append(there_and_back_in_row_blocks(n, batch_size, before, random.randint(1, batch_size)))
    return Schedule(n, tuple(written(stretches)), "over segments", batch_size)


def planned(random: Random, chain: Chain, *, row_blocks: bool, pieces: str | None) -> Schedule:
    """The plan for a budget between the least and store-all's."""
    rows = random.randint(1, 4)
    try:
        least = plan_chain(
            chain, budget_bytes=0, row_blocks=row_blocks, minimum_block_rows=rows, pieces=pieces
        ).peak_bytes
    except BudgetError as error:
        least = error.minimum_bytes
    most = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    budget = random.randint(least, max(least, most))
    return plan_chain(
        chain, budget_bytes=budget, row_blocks=row_blocks, minimum_block_rows=rows, pieces=pieces
    ).schedule


def persistent_tree(n_layers: int, choose: Callable[[int], int]) -> Schedule:
    """A persistent schedule of whole mini-batches; `choose(n)` is what is done with an interval of n places inside it.

    0: take it back at once. k: run to the k-th place, hold it, and take back what is behind it, then what is before.
    """

    def run(start: int, stop: int) -> Iterator[Action]:
        for layer in range(start + 1, stop + 1):
            yield Forward(layer)
            if layer > start + 1:
                yield Release(layer - 1)

    def back(start: int, stop: int, last: bool) -> Iterator[Action]:
        place = choose(stop - start - 1)
        if place:
            yield from run(start, start + place)
            yield from back(start + place, stop, last)
            yield from back(start, start + place, False)
        else:
            yield from (Forward(layer) for layer in range(start + 1, stop + last))
            yield from (Backward(layer) for layer in range(stop, start, -1))

    return Schedule(n_layers, tuple(back(0, n_layers, True)), "tree")
