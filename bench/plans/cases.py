"""Chains whose plans are timed: four that stand for a kind of network, and some that are drawn from a seed."""

import random

from bench.steps.cases import DEEP, RAGGED, Case

SHARES = (0.60, 0.30, 0.15, 0.08)
"""Budgets, as parts of what storing all takes."""

HOURGLASS = Case(
    "hourglass",
    "narrow in the middle, four times",
    (784, *(512, 256, 128, 64, 32, 64, 128, 256, 512) * 4, 784),
    4096,
    every=6,
    row_block_mib=None,
)
TAPERED = Case(
    "tapered",
    "weights far larger than activations",
    (3072, *[2048] * 8, *[1024] * 8, *[512] * 8, *[256] * 8, 10),
    2048,
    every=6,
    row_block_mib=None,
)
SEED, DRAWN = 14, 6


def drawn(number: int, *, seed: int = SEED) -> Case:
    """A chain of 10 to 60 layers, widths 32 to 640 in multiples of 32, batch 1024 to 8192."""
    chance = random.Random(f"{seed} {number}")  # noqa: S311 - a case, no secret
    widths = [32 * chance.randint(1, 20) for _ in range(chance.randint(9, 59))]
    batch_size = 2 ** chance.randint(10, 13)
    name = f"drawn {number}"
    return Case(name, f"from seed {seed}", (784, *widths, 10), batch_size, every=6, row_block_mib=None)


CASES = {
    case.name: case for case in (DEEP, RAGGED, HOURGLASS, TAPERED, *(drawn(number) for number in range(1, DRAWN + 1)))
}
