"""Chains whose layers are nearly equal, and the same with equal layers, which estimates are quick for. No arrays here.

In a chain of equal layers all intervals of one length are alike, so that a program over all of them takes as many steps
as there are intervals from one start. Where widths differ by a few percent, so do costs, and the best schedules differ
little. For 1,000 and 2,000 layers whose widths differ by 3% either way, plans in 3 to 33% of store all's bytes cost up
to 24% less than with estimates of their own, which must do with fewer places or levels, and 0.1% more at most.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from checkpoint.planning.costs import Cost
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain

NEARLY = 1.1
"""So many times the narrowest hidden layer is the widest one at most where layers are nearly equal."""


def nearly_even(chain: Chain) -> bool:
    """Whether all hidden layers are nearly of one width."""
    hidden = chain.widths[1:-1]
    return not isinstance(chain, GeneralChain) and len(hidden) > 1 and max(hidden) <= NEARLY * min(hidden)


def evened(chain: Chain, cost: Cost) -> tuple[Chain, Cost]:
    """The chain with hidden layers of their mean width, and costs that are the mean of theirs."""
    hidden = chain.widths[1:-1]
    width = round(sum(hidden) / len(hidden))
    return replace(chain, widths=(chain.widths[0], *[width] * len(hidden), chain.widths[-1])), _Mean(cost, chain)


@dataclass
class _Mean:
    """`cost` with that of each layer between two hidden ones the mean of all such."""

    cost: Cost
    chain: Chain
    known: dict[tuple[str, int], float] = field(default_factory=dict)

    def forward(self, layer: int, rows: int) -> float:
        return self._of("forward", self.cost.forward, layer, rows)

    def backward(self, layer: int, rows: int) -> float:
        return self._of("backward", self.cost.backward, layer, rows)

    def _of(self, name: str, run: Callable[[int, int], float], layer: int, rows: int) -> float:
        n_layers = self.chain.n_layers
        if layer in (1, n_layers):
            return run(layer, rows)
        if (name, rows) not in self.known:
            self.known[name, rows] = sum(run(other, rows) for other in range(2, n_layers)) / (n_layers - 2)
        return self.known[name, rows]
