"""A budget as it is given: bytes, or text that names them. No arrays here."""

from collections.abc import Iterator
from contextlib import contextmanager

from backend.facts import FACTS
from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.placement import arena_bytes
from checkpoint.strategies.store_all import store_all
from checkpoint.units import parse_bytes

AUTO_SHARE = 0.75
"""The part of free memory that a budget of "auto" takes; the rest is for parameters, BLAS and other programs."""


def resolve_budget(budget: int | str, chain: Chain) -> int:
    """The bytes of a budget: a whole number of them, an amount such as "64MiB", "50%" of store-all's peak, or "auto".

    "auto" is three quarters of the memory that is free now, on the host or on the GPU that the chain is for, and at
    most store-all's arena. Raises `CheckpointError` for anything else.

    >>> from checkpoint.schedule.chain import chain_of
    >>> resolve_budget("1.5KiB", chain_of([4, 3, 2], batch_size=5))
    1536
    """
    if not isinstance(budget, str):
        try:
            return whole_number("a budget", budget, least=0)
        except CheckpointError:
            raise CheckpointError(
                f"a budget is a whole number of bytes or text such as '64MiB', '50%' or 'auto'; got {budget!r}"
            ) from None
    whole = store_all_bytes(chain)
    if budget != "auto":
        return parse_bytes(budget, whole_bytes=whole)
    from backend import free_bytes

    on_gpu = chain.allocation_bytes != FACTS["numpy"].allocation_bytes
    return min(int(free_bytes("cupy" if on_gpu else "numpy") * AUTO_SHARE), whole)


def checked_budget(budget: object) -> int | str:
    """A budget to plan in once a chain is known. Raises `CheckpointError` for what no chain could be planned in."""
    if not isinstance(budget, str):
        return whole_number("budget_bytes", budget)
    if budget != "auto":
        with called("budget_bytes"):
            parse_bytes(budget, whole_bytes=2**62)
    return budget


@contextmanager
def called(name: str) -> Iterator[None]:
    """A block whose errors say that it is the argument `name` that they are about."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from None


def store_all_bytes(chain: Chain) -> int:
    """What one block of memory takes for plain backpropagation."""
    return arena_bytes(store_all(n_layers=chain.n_layers), chain)
