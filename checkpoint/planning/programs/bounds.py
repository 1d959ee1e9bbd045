"""Lower bounds that hold whatever is chosen. Plain numbers; no arrays here."""

from collections.abc import Iterable
from math import inf

from checkpoint.planning.costs import Cost
from checkpoint.schedule.chain import Chain


def least_recompute(chain: Chain, cost: Cost, *, budget_bytes: int) -> float:
    """A cost that the recomputing of any schedule for whole mini-batches has at least within the budget.

    A layer that runs once is held from then to its backward step. So all of these are held at the moment when the last
    layer starts on its way back, beside the error of that layer.
    """
    n_layers, batch_size = chain.n_layers, chain.batch_size
    left = budget_bytes - chain.error_bytes(n_layers) - chain.workspace_bytes(n_layers)
    items = [(chain.activation_bytes(layer), cost.forward(layer, batch_size)) for layer in range(1, n_layers)]
    return _least_left_out(items, left)


def least_recompute_in_blocks(chain: Chain, prices: Iterable[float], *, budget_bytes: int) -> float:
    """The same for schedules of the persistent class with row blocks, where running layer l costs the l-th of `prices`.

    A layer that runs once, for all rows, makes a checkpoint or belongs to the last leaf. When the first block of that
    has gone back, the checkpoints are held, and of the leaf, over several segments too, each layer's sum of gradients;
    or, if there are no blocks, each activation was held before. Micro-batches hold the sums of all layers.
    """
    layers = range(1, chain.n_layers)
    items = [
        (min(chain.activation_bytes(layer), chain.sum_bytes(layer)), price)
        for layer, price in zip(layers, prices, strict=False)
    ]
    return _least_left_out(items, budget_bytes)


def _least_left_out(items: list[tuple[int, float]], room: int) -> float:
    """The least price of what is left out when items, of bytes and a price each, are taken up to `room` bytes.

    Those at the best price are taken, the last one in part. A knapsack with its items cut, as Dantzig (1957) has it.
    """
    again = sum(price for _, price in items)
    for held, price in sorted(items, key=lambda item: item[0] / item[1] if item[1] else inf):
        if held > room:
            return max(0, again - price * max(0, room) / held)
        room -= held
        again -= price
    return 0
