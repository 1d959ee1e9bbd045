"""Builds the runner of each way: ours, a peer's, or a control."""

from itertools import pairwise
from typing import Any

import numpy as np

from backend import Backend, select_backend
from bench.steps.cases import Case
from bench.steps.peers import build_peer
from bench.steps.runner import ETA, Runner, batch_of
from bench.steps.ways import CONTROL, Way
from checkpoint import NetworkWithCheckpointing
from mlp import Network


def build(way: Way, case: Case, *, backend_name: str = "numpy") -> Runner:
    """The runner of a way, ready for its first step. Raises `Absent` for a peer that cannot run on this machine."""
    if way.library in ("numpy", "blas"):
        backend = select_backend(backend_name)
        return control(case, backend) if way.kind == "control" else ours(way, case, backend)
    return build_peer(way.name, case)


def control(case: Case, backend: Backend) -> Runner:
    """The step's matrix products alone, into arrays that are ready: no step is faster on the same BLAS unfused."""
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

    return Runner(CONTROL, "control", step, lambda: None)


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
