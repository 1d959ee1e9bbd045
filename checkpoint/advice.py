"""What to do when a step runs out of memory: the plan that would fit. No arrays here."""

from checkpoint.chain import Chain
from checkpoint.errors import BudgetError
from checkpoint.units import format_bytes


def advice(chain: Chain, *, peak_bytes: int) -> str:
    """What to ask for in place of a step on `chain` that takes `peak_bytes`: the fastest plan in half, or the least.

    A few words that fit after "; ".
    """
    try:
        from checkpoint.planning import plan_chain
    except ImportError:
        return f"give a smaller --budget, below {format_bytes(peak_bytes)}, or a smaller --batch-size"
    try:
        found = plan_chain(chain, budget_bytes=peak_bytes // 2)
    except BudgetError as error:
        if error.minimum_bytes >= peak_bytes:
            return f"no plan takes less at batch size {chain.batch_size}; give a smaller --batch-size"
        return f"the least that a plan takes is --budget {error.minimum_bytes} ({format_bytes(error.minimum_bytes)})"
    return (
        f"a plan of {format_bytes(found.peak_bytes)} would fit where half is free: --budget {found.peak_bytes}, with "
        f"{found.recomputed_layers} layers recomputed a step"
    )
