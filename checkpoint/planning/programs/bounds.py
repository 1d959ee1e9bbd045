"""Lower bounds that hold for every schedule, whoever finds it. Plain numbers; no arrays here."""

from math import inf

from checkpoint.planning.costs import Cost
from checkpoint.schedule.chain import Chain


def least_recompute(chain: Chain, cost: Cost, *, budget_bytes: int) -> float:
    """A cost that the recomputing of any schedule for whole mini-batches has at least within the budget.

    A layer that runs once is held from then to its backward step. So all of these are held at the moment when the last
    layer starts on its way back, beside the error of that layer; those that fill the budget at the best price, the last
    one in part, bound what need not run again. A knapsack with its items cut, as Dantzig (1957) has it.
    """
    n_layers, batch_size = chain.n_layers, chain.batch_size
    left = budget_bytes - chain.error_bytes(n_layers) - chain.workspace_bytes(n_layers)
    items = [(chain.activation_bytes(layer), cost.forward(layer, batch_size)) for layer in range(1, n_layers)]
    again = sum(price for _, price in items)
    for held, price in sorted(items, key=lambda item: item[0] / item[1] if item[1] else inf):
        if held > left:
            return max(0, again - price * max(0, left) / held)
        left -= held
        again -= price
    return 0
