"""A runner: one training step of a case behind one record, and what every runner starts from. Knows no library."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.steps.cases import Case
from mlp.initialization import initial_parameters

ETA = 0.01


class Absent(Exception):
    """A way that cannot be taken on this machine; its text says why."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One way of taking a step. `step()` takes it; `peak_bytes()` returns what it holds above rest, None if unknown.

    `kind` is "control", "ours" or "peer"; `recompute_fraction` is of our schedules. `weights()` returns the present
    ones on the host, (n_in, n_out) each, first layer to last; a control has none.
    """

    name: str
    kind: str
    step: Callable[[], None]
    peak_bytes: Callable[[], int | None]
    recompute_fraction: float | None = None
    weights: Callable[[], list[np.ndarray]] = list


def batch_of(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """A random mini-batch on the host: X (batch, n_0) and y (batch, n_L), float32, in 0..1."""
    random = np.random.default_rng(0)
    X = random.random((case.batch_size, case.sizes[0]), dtype=np.float32)
    return X, random.random((case.batch_size, case.sizes[-1]), dtype=np.float32)


def parameters_of(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """W (n_in, n_out) and b (n_out,) of each layer, on the host: every runner that trains starts from these."""
    return list(initial_parameters(case.sizes, initialization="scaled", activation="sigmoid", dtype="float32", seed=0))
