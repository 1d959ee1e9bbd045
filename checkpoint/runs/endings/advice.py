"""What to do when a step runs out of memory: the plan that would fit. No arrays here."""

from checkpoint.errors import BudgetError
from checkpoint.planning.budget import AUTO_SHARE
from checkpoint.planning.plan import plan_chain
from checkpoint.schedule.chain import Chain
from checkpoint.units import counted, format_bytes, rounded_up


def advice(chain: Chain, *, arena_bytes: int, free_bytes: int | None = None) -> str:
    """What to use in place of a step on `chain` that takes `arena_bytes`: the fastest plan that fits, or the smallest.

    `free_bytes`: what is free for a step, of which a part is planned with; half of the peak is where that is None.
    The words fit after "; ".
    """
    known = free_bytes is not None and free_bytes < arena_bytes
    room = int((free_bytes or 0) * AUTO_SHARE) if known else arena_bytes // 2
    try:
        found = plan_chain(chain, budget_bytes=room)
    except BudgetError as error:
        if error.minimum_bytes >= arena_bytes:
            return f"no plan takes less at batch size {chain.batch_size}; give a smaller --batch-size"
        least = f"the smallest plan takes --budget {error.minimum_bytes} ({rounded_up(error.minimum_bytes)})"
        if known and error.minimum_bytes > (free_bytes or 0):
            return f"{least}, and {format_bytes(free_bytes or 0)} are free; give a smaller --batch-size"
        return least
    where = f"in the {format_bytes(free_bytes or 0)} that are free" if known else "in half of that"
    return (
        f"a plan of {format_bytes(found.arena_bytes)} would fit {where}: --budget {found.arena_bytes}, with "
        f"{counted(found.recomputed_layers, 'layer')} recomputed per step"
    )
