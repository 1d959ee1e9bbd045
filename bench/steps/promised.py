"""The bytes above rest that a step is promised to take."""

from checkpoint import Chain, Schedule, simulate, store_all


def promised_bytes(schedule: Schedule | None, chain: Chain) -> int:
    """The peak of a schedule on a chain; store all's where there is none."""
    return simulate(schedule or store_all(n_layers=chain.n_layers), chain).peak_bytes
