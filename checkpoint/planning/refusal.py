"""What a budget that nothing fits in is answered with: the least that does, and what would help. No arrays here."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil

from checkpoint.errors import BudgetError
from checkpoint.planning.budget import store_all_bytes
from checkpoint.planning.fitting import AnySearch, smallest_fitting
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain
from checkpoint.units import format_bytes, least_bytes

MOST_LAYERS_ASKED = 100
"""Of how many layers the half batch is planned for an error: that takes as long as the error itself, half a second."""


def too_small(
    search: AnySearch,
    budget_bytes: int,
    *,
    given: int | str,
    row_blocks: bool,
    search_at: Callable[[Chain], AnySearch],
) -> BudgetError:
    """The error for a budget, as it was `given`, that nothing which `search` finds fits in.

    A smaller batch is advised where half of it fits, by `search_at`, the same search for another chain: small products
    are not made in pieces, so that a smaller batch can need more. A share of store all's bytes shrinks with the batch.
    """
    chain, least = search.chain, smallest_fitting(search)
    takes, holes = least_bytes(least.arena_bytes), least.arena_bytes - least.weight.peak_bytes
    at = "" if isinstance(chain, GeneralChain) else f" at batch {chain.batch_size}"
    if holes:
        takes += f", {holes:,} of them padding and holes of the arena,"
    named, advice = format_bytes(budget_bytes), "raise the budget"
    if isinstance(given, str) and given.strip().endswith("%"):
        named = f"{given.strip()} ({named})"
        at += f", which is {_share(least.arena_bytes, store_all_bytes(chain))} of store all"
    elif _half_fits(search, budget_bytes, least.arena_bytes, search_at):
        advice += " or shrink the batch"
    if not row_blocks and chain.batch_size > 1:
        advice += ", or allow row blocks"
    return BudgetError(
        f"budget {named} is below this network's smallest peak, {takes}{at}; {advice}",
        budget_bytes=budget_bytes,
        minimum_bytes=least.arena_bytes,
    )


def _half_fits(search: AnySearch, budget_bytes: int, least_bytes: int, search_at: Callable[[Chain], AnySearch]) -> bool:
    """Whether half the batch is known to fit. Arrays shrink to half at most: below that, nobody asks."""
    chain = search.chain
    if isinstance(chain, GeneralChain) or chain.batch_size < 2:
        return False
    if chain.n_layers > MOST_LAYERS_ASKED or 2 * budget_bytes < least_bytes:
        return False
    half = search_at(replace(chain, batch_size=chain.batch_size // 2, planned_rows=None))
    return smallest_fitting(half).arena_bytes <= budget_bytes


def _share(least: int, whole: int) -> str:
    """`least` bytes in percent of `whole`, rounded up, so that it can be given as a budget."""
    return f"{ceil(1000 * least / whole) / 10:g}%"
