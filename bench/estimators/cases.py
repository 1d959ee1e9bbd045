"""The data and the network of each case, the same for every library."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mlp.data import load

ETA = 0.001
ROWS, COLUMNS = 100_000, 50
MNIST_ROWS = 10_000
MNIST_PATH = "MLP_BENCH_MNIST"
"""The environment's variable that names a copy of MNIST, in any format that `train --data` takes."""


class NoData(Exception):
    """A case whose data is not on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """`data` returns X (n, features) float32, and y: classes (n,), or values (n,) where `regression`.

    Adam with a rate of 0.001 and no penalty on mini-batches of `batch_size`, `epochs` of them, ReLU in the `hidden`
    layers.
    """

    name: str
    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    regression: bool = False


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 images of 8 x 8."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The first 10,000 images of MNIST. Raises `NoData` where it is neither here nor to be had."""
    return _images(os.environ.get(MNIST_PATH, "mnist"))


@cache
def _images(source: str) -> tuple[np.ndarray, np.ndarray]:
    dataset = load(source)
    if dataset.name == "sample":
        raise NoData(f"MNIST is neither in the cache nor to be had from the network; name a copy with {MNIST_PATH}")
    X = dataset.train_images[:MNIST_ROWS].astype(np.float32) / 255
    return X, dataset.train_labels[:MNIST_ROWS].astype(np.int64)


@cache
def table() -> tuple[np.ndarray, np.ndarray]:
    """100,000 rows of 50 columns, and a smooth function of some of them with noise."""
    random: Any = np.random.default_rng(0)
    X = random.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * random.standard_normal(ROWS, dtype=np.float32)
    return X, y.astype(np.float32)


CASES = {
    case.name: case
    for case in (
        Case("digits", digits, hidden=(100,), batch_size=200, epochs=20),
        Case("mnist10k", mnist, hidden=(256, 128), batch_size=200, epochs=5),
        Case("table", table, hidden=(64, 64), batch_size=500, epochs=3, regression=True),
    )
}
