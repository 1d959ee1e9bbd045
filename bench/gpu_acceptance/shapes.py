"""The networks and batches that an acceptance run checks, and what every check does with them."""

import gc
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend import Backend
from backend.cupy.backend import CupyBackend
from checkpoint import BudgetError, Chain, chain_of, plan_chain
from mlp import Network

ETA = 0.1
STEPS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and a batch."""

    sizes: tuple[int, ...]
    batch_size: int

    def chain(self, dtype: str) -> Chain:
        """Its chain on CuPy."""
        return chain_of(self.sizes, batch_size=self.batch_size, dtype=dtype, backend="cupy")

    def batch(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """X with values in 0..1 and one-hot y, on the host."""
        random = np.random.default_rng(0)
        X = random.random((self.batch_size, self.sizes[0])).astype(dtype)
        return X, np.eye(self.sizes[-1], dtype=dtype)[random.integers(self.sizes[-1], size=self.batch_size)]

    def batch_on(self, backend: Backend, dtype: str) -> tuple[Any, Any]:
        """`batch` on the device."""
        X, y = self.batch(dtype)
        return backend.asarray(X), backend.asarray(y)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is checked: `parity`, so narrow that no ReLU is within rounding of its kink; `wide`, whose sums are as long
    as in use, or None; `deep`, for bytes and budgets.
    """

    parity: Shape
    wide: Shape | None
    deep: Shape


QUICK = Shapes(Shape((40, 24, 17, 10), 32), None, Shape((30, *[24] * 16, 7), 96))
FULL = Shapes(Shape((100, 64, 48, 32, 10), 48), Shape((784, *[512] * 4, 10), 1024), Shape((784, *[512] * 24, 10), 2048))

QUICK_BYTES, FULL_BYTES = 2 * 2**20, 2 * 2**30
"""What a group of checks on either takes at most: `FULL`'s deep network has 200 MiB of activations in float64."""


def shapes_in(free_bytes: int, *, quick: bool) -> Shapes:
    """The largest networks whose checks fit in what is free. Raises `MemoryError` where none do."""
    if free_bytes < QUICK_BYTES:
        raise MemoryError(f"the smallest networks take {QUICK_BYTES:,} bytes, and {free_bytes:,} are free")
    return QUICK if quick or free_bytes < FULL_BYTES else FULL


def train(net: Network, shape: Shape) -> None:
    """Take a few steps on the shape's batch."""
    X, y = shape.batch_on(net.backend, net.dtype)
    for _ in range(STEPS):
        net.update_mini_batch(X, y, eta=ETA)


def least_bytes(chain: Chain, **how: Any) -> int:
    """The smallest arena of any plan."""
    try:
        return plan_chain(chain, budget_bytes=0, **how).arena_bytes
    except BudgetError as error:
        return error.minimum_bytes


def give_back(backend: Backend) -> None:
    """Free what a group of checks left behind, so that the next one has all of the GPU."""
    gc.collect()
    backend.synchronize()
    if isinstance(backend, CupyBackend):
        backend.give_back()
