"""How well ranks are used, by a model: operations alone, equal ranks, and nothing for passing on. No arrays here.

On each rank a step takes the time of the largest share of rows; the wave adds to its backward steps that of P - 1 items
more than its I, until the last rank has its first item. So the efficiency of the backward part is I / (I + P - 1).
"""

from checkpoint.planning.costs import Flops, cost_of
from checkpoint.ranks.cutting import blocks_of
from checkpoint.ranks.items import items_of
from checkpoint.schedule.actions import Backward
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

TABLE = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
"""The numbers of ranks that are shown."""

WELL_USED = 0.9


def efficiency(schedule: Schedule, chain: Chain, ranks: int, block_rows: int | None = None) -> float:
    """The part of the ranks' time in a step that they compute, 1 for one rank."""
    blocks = blocks_of(chain.batch_size, ranks, block_rows)
    if ranks == 1:
        return 1.0
    most = blocks[0][1] - blocks[0][0]
    turns = -(-len(blocks) // ranks)
    n_items = len(items_of(chain.widths, rows=most)) * turns
    part = chain.micro_batch(most)
    whole = cost_of(schedule, part, Flops(part))
    backward = sum(Flops(part).backward(a.layer, most) for a in schedule.actions if isinstance(a, Backward))
    waves = 1 + (min(ranks, len(blocks)) - 1) / n_items
    longest = turns * (whole - backward + backward * waves)
    return whole * (chain.batch_size / most) / (ranks * longest)


def most_well_used(schedule: Schedule, chain: Chain, block_rows: int | None = None) -> int:
    """The largest number of ranks, up to the last of `TABLE`, whose efficiency is `WELL_USED` or more."""
    numbers = range(1, TABLE[-1] + 1)
    return max(ranks for ranks in numbers if efficiency(schedule, chain, ranks, block_rows) >= WELL_USED)
