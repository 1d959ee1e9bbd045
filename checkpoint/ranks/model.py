"""How well ranks are used, by a model: operations alone, equal ranks, and nothing for passing on. No arrays here.

On each rank a step takes the time of the largest share of rows; the wave adds to its backward steps that of P - 1 items
more than its I, until the last rank has its first item. So the efficiency of the backward part is I / (I + P - 1).
Where rows are in G groups, P / G ranks are in line, and their sums pass through log2 G more.
"""

from math import ceil, log2

from checkpoint.planning.costs import Flops, cost_of
from checkpoint.ranks.cutting import blocks_of, groups_of
from checkpoint.ranks.items import items_in
from checkpoint.schedule.actions import Backward
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

TABLE = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
"""The numbers of ranks that are shown."""

WELL_USED = 0.9


def efficiency(
    schedule: Schedule, chain: Chain, ranks: int, block_rows: int | None = None, *, sum_groups: int | None = None
) -> float:
    """The part of the ranks' time in a step that they compute, 1 for one rank."""
    if ranks == 1:
        return 1.0
    blocks = blocks_of(chain.batch_size, ranks, block_rows, sum_groups=sum_groups)
    most = max(stop - start for start, stop in blocks)
    turns = -(-len(blocks) // ranks)
    n_items = len(items_in(chain, most)) * turns
    part = chain.micro_batch(most)
    whole = cost_of(schedule, part, Flops(part))
    backward = sum(Flops(part).backward(a.layer, most) for a in schedule.actions if isinstance(a, Backward))
    n_groups = len(groups_of(chain.batch_size, sum_groups)) or 1
    in_line = -(-min(ranks, len(blocks)) // n_groups)
    waves = 1 + (in_line - 1 + ceil(log2(min(n_groups, len(blocks))))) / n_items
    longest = turns * (whole - backward + backward * waves)
    return whole * (chain.batch_size / most) / (ranks * longest)


def most_well_used(
    schedule: Schedule, chain: Chain, block_rows: int | None = None, *, sum_groups: int | None = None
) -> int:
    """The largest number of ranks, up to the last of `TABLE`, whose efficiency is `WELL_USED` or more."""
    numbers = range(1, TABLE[-1] + 1)
    found = (n for n in numbers if efficiency(schedule, chain, n, block_rows, sum_groups=sum_groups) >= WELL_USED)
    return max(found)
