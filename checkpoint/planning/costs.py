"""What a step costs in time: operations and weights read again, or a machine's seconds. Plain numbers; no arrays here.

A planner minimises the sum of the costs of a schedule's actions. Anything with the two methods of `Cost` will do.
"""

from dataclasses import dataclass
from functools import reduce
from itertools import chain as in_a_row
from itertools import repeat
from operator import add
from typing import Protocol

from backend.facts import CHUNK_ROWS
from checkpoint.schedule.actions import Action, Backward, Forward
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule

FLOPS_BLOCK_ROWS = 128
"""The smallest row block that is planned by counting operations, which can't see that fewer multiply slowly."""

MEASURED_BLOCK_ROWS = 16
"""The smallest row block that is planned from a cost that knows how slow it is."""


class Cost(Protocol):
    """Costs in any one unit: whole numbers, or seconds."""

    def forward(self, layer: int, rows: int) -> float:
        """The cost of running `layer` forward on `rows` rows of the mini-batch."""

    def backward(self, layer: int, rows: int) -> float:
        """The cost of taking the error of `rows` rows back through `layer`."""


OPERATIONS = "operations"
"""The name of a cost that counts operations and nothing else."""

REREAD_ROWS = 16
"""Reading a layer's weights once more, its gradient too on the way back, counts as much as multiplying so many rows.

That is 16 bytes to and from memory for each weight, where six operations a weight and row go at 6 a byte. Plans made
with 0, 8, 16, 32 and 64 rows, for nine budgets of six chains on one core of an AMD EPYC, were up to 3, 1, 3, 5 and 9%
slower than the fastest of them; on two cores, which share the memory, reading counts more.
"""


@dataclass(frozen=True, slots=True)
class Flops:
    """Floating-point operations: a backward step does two products as large as the forward one, one for layer 1."""

    chain: Chain

    def forward(self, layer: int, rows: int) -> int:
        """The operations of running `layer` forward on `rows` rows."""
        return self.chain.forward_flops(layer, rows)

    def backward(self, layer: int, rows: int) -> int:
        """The operations of its backward step."""
        return self.chain.backward_flops(layer, rows)


@dataclass(frozen=True, slots=True)
class FlopsAndReads(Flops):
    """Operations, and for each row block but one of a mini-batch those of `REREAD_ROWS` rows: the default.

    Each block reads a layer's weights again, so that many small blocks are slower than a few large ones, which
    operations alone cannot see. Whole mini-batches count their operations and no more: among them the cheapest is the
    one that recomputes the least. The same on every machine, and in whole numbers, so equal inputs give equal plans.

    >>> from checkpoint.schedule.chain import chain_of
    >>> cost = FlopsAndReads(chain_of([784, 512, 10], batch_size=1024))
    >>> whole = cost.forward(1, 1024)
    >>> whole == Flops(cost.chain).forward(1, 1024), 8 * cost.forward(1, 128) / whole  # seven blocks read again
    (True, 1.109375)
    """

    def forward(self, layer: int, rows: int) -> int:
        """The operations of running `layer` forward on `rows` rows, and their part of the blocks' reading again."""
        return self._with_reads(self.chain.forward_flops(layer, rows), rows)

    def backward(self, layer: int, rows: int) -> int:
        """The same of its backward step."""
        return self._with_reads(self.chain.backward_flops(layer, rows), rows)

    def _with_reads(self, flops: int, rows: int) -> int:
        # n blocks are batch / rows; the first reading is not counted: flops / rows * REREAD_ROWS * (1 - rows / batch)
        batch_size = self.chain.batch_size
        return flops + flops * REREAD_ROWS * (batch_size - rows) // (rows * batch_size)


def cost_named(cost: Cost | str | None, chain: Chain) -> Cost:
    """The cost that is given; the default for None, and `Flops` for `OPERATIONS`."""
    if cost is None:
        return FlopsAndReads(chain)
    return Flops(chain) if isinstance(cost, str) else cost


@dataclass(frozen=True, slots=True)
class Slower:
    """`cost`, times `factor`."""

    cost: Cost
    factor: float

    def forward(self, layer: int, rows: int) -> float:
        return self.cost.forward(layer, rows) * self.factor

    def backward(self, layer: int, rows: int) -> float:
        return self.cost.backward(layer, rows) * self.factor


def cost_of(schedule: Schedule, chain: Chain, cost: Cost) -> float:
    """The cost of all actions of `schedule`, in the unit of `cost`."""
    total: float = 0
    known: dict[tuple[type, int, int], float] = {}

    def of(action: Action, rows: int) -> float:
        key = (type(action), action.layer, rows)
        if key not in known:
            run = cost.forward if isinstance(action, Forward) else cost.backward
            known[key] = run(action.layer, rows)
        return known[key]

    for stretch in schedule.stretches:
        working = [action for action in stretch.body if isinstance(action, Forward | Backward)]
        for rows, times in stretch.turns():
            start, stop = rows or (0, chain.batch_size)
            costs = [of(action, stop - start) for action in working]
            if type(total) is int and all(type(value) is int for value in costs):
                total += times * sum(costs)
            else:  # one by one, as the order of sums of seconds shows in the last bits
                total = reduce(add, in_a_row.from_iterable(repeat(costs, times)), total)
    return total


def block_sizes(batch_size: int, *, minimum_rows: int) -> list[int]:
    """The row blocks that are tried: the whole batch, its half, its quarter, and so on down to `minimum_rows`.

    Those of more than `CHUNK_ROWS` rows are rounded up to multiples of it, which costs nothing and may keep every bit.

    >>> block_sizes(1000, minimum_rows=128), block_sizes(100, minimum_rows=16)
    ([1000, 512, 256, 128], [100, 50, 25])
    """
    sizes, rows = [batch_size], batch_size
    while rows > 1:
        rows = -(-rows // 2)
        size = rows if rows <= CHUNK_ROWS // 2 else -(-rows // CHUNK_ROWS) * CHUNK_ROWS
        if size < minimum_rows:
            break
        if size < sizes[-1]:
            sizes.append(size)
    return sizes
