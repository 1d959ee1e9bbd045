"""The bytes above rest that a step is promised to take."""

from checkpoint import Chain, Schedule, store_all
from checkpoint.schedule.placement import arena_bytes


def promised_bytes(schedule: Schedule | None, chain: Chain) -> int:
    """The arena of a schedule on a chain; store all's where there is none."""
    return arena_bytes(schedule or store_all(n_layers=chain.n_layers), chain)
