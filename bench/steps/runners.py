"""What is timed: one training step of a case, done by us, by a peer, or by the control, each behind one record."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from backend import Backend, select_backend
from bench.steps.cases import Case
from bench.steps.ways import Way
from checkpoint import NetworkWithCheckpointing
from mlp import Network
from mlp.initialization import initial_parameters

ETA = 0.01


class Absent(Exception):
    """A way that cannot be taken here; its text says why."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One way of taking a step. `step()` takes it; `peak_bytes()` is what it holds above rest, where that is known.

    `kind` is "control", "ours" or "peer"; `recompute_fraction` is of our schedules. `weights()` are those now, on the
    host, first layer to last; of the control there are none.
    """

    name: str
    kind: str
    step: Callable[[], None]
    peak_bytes: Callable[[], int | None]
    recompute_fraction: float | None = None
    weights: Callable[[], list[np.ndarray]] = list


def build(way: Way, case: Case, *, backend_name: str = "numpy") -> Runner:
    """The runner of a way, ready for its first step. Raises `Absent` for a peer that cannot run here."""
    if way.kind == "peer":
        from bench.steps.peers import build_peer

        return build_peer(way, case)
    backend = select_backend(backend_name)
    return control(case, backend) if way.kind == "control" else ours(way, case, backend)


def batch_of(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """A mini-batch of random values, on the host."""
    random = np.random.default_rng(0)
    X = random.random((case.batch_size, case.sizes[0]), dtype=np.float32)
    return X, random.random((case.batch_size, case.sizes[-1]), dtype=np.float32)


def parameters_of(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """W (n_in, n_out) and b (n_out,) of each layer, on the host: every runner that trains begins with these."""
    return list(initial_parameters(case.sizes, initialization="scaled", activation="sigmoid", dtype="float32", seed=0))


def control(case: Case, backend: Backend) -> Runner:
    """The step's matrix products alone, into arrays that are ready: no step can be faster on this BLAS."""
    random = np.random.default_rng(0)
    weights = [backend.asarray(random.random((n_in, n_out), dtype=np.float32)) for n_in, n_out in pairwise(case.sizes)]
    left = {n: backend.asarray(random.random((case.batch_size, n), dtype=np.float32)) for n in set(case.sizes)}
    out = {n: backend.empty((case.batch_size, n), "float32") for n in set(case.sizes)}
    gradients = {W.shape: backend.empty(W.shape, "float32") for W in weights}

    def step() -> None:
        for W in weights:
            backend.matmul(left[W.shape[0]], W, out=out[W.shape[1]])
        for layer in range(len(weights), 0, -1):
            W = weights[layer - 1]
            backend.matmul(left[W.shape[0]].T, left[W.shape[1]], out=gradients[W.shape])
            if layer > 1:
                backend.matmul(left[W.shape[1]], W.T, out=out[W.shape[0]])
        backend.synchronize()

    return Runner("matrix products alone", "control", step, lambda: None)


def ours(way: Way, case: Case, backend: Backend) -> Runner:
    """Our step in one of our ways: plain backpropagation where there is no schedule."""
    options: dict[str, Any] = {"initialization": "scaled", "backend": backend}
    net: Network
    if way.schedule is None:
        net = Network(case.sizes, **options)
    else:
        net = NetworkWithCheckpointing(case.sizes, schedule=way.schedule, **options)
    X, y = (backend.asarray(x) for x in batch_of(case))

    def step() -> None:
        net.update_mini_batch(X, y, eta=ETA)
        backend.synchronize()

    def peak_bytes() -> int:
        with backend.measure() as usage:
            step()
        return usage.peak_bytes

    def weights() -> list[np.ndarray]:
        return [backend.to_numpy(W) for W in net.weights]

    return Runner(way.name, way.kind, step, peak_bytes, way.recompute_fraction, weights)
