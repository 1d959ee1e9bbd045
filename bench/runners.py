"""What is timed: one training step of a case, done by us, by a peer, or by the control, each behind one record."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from backend import Backend, select_backend
from bench.cases import MIB, Case
from checkpoint import NetworkWithCheckpointing, Schedule, every_nth, plan_chain, simulate, square_root
from mlp import Network

ETA = 0.01


@dataclass(frozen=True, slots=True)
class Runner:
    """One way of taking a step. `step()` takes it; `peak_bytes()` is what it holds above rest, where that is known.

    `kind` is "control", "ours" or "peer"; `recompute_fraction` is of our schedules.
    """

    name: str
    kind: str
    step: Callable[[], None]
    peak_bytes: Callable[[], int | None]
    recompute_fraction: float | None = None


def batch_of(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """A mini-batch of random values, on the host."""
    random = np.random.default_rng(0)
    X = random.random((case.batch_size, case.sizes[0]), dtype=np.float32)
    return X, random.random((case.batch_size, case.sizes[-1]), dtype=np.float32)


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


def ours(case: Case, backend: Backend) -> Iterator[Runner]:
    """Plain backpropagation and each strategy."""
    yield _runner("plain", Network(case.sizes, **_options(backend)), case, 0.0)
    for name, schedule in schedules(case):
        net = NetworkWithCheckpointing(case.sizes, schedule=schedule, **_options(backend))
        yield _runner(name, net, case, simulate(schedule, net.chain(case.batch_size)).recompute_fraction)


def schedules(case: Case) -> Iterator[tuple[str, Schedule]]:
    """The schedules compared with plain backpropagation, by name."""
    n_layers = len(case.sizes) - 1
    yield f"every {case.every}th" if case.every > 3 else "every 2nd", every_nth(n_layers=n_layers, n=case.every)
    root = square_root(n_layers=n_layers)
    yield "sqrt", root
    if n_layers < 10:
        return
    budget = simulate(root, case.chain).peak_bytes
    yield "planned, unblocked", plan_chain(case.chain, budget_bytes=budget, row_blocks=False).schedule
    if case.row_block_mib is not None:
        blocked = plan_chain(case.chain, budget_bytes=int(case.row_block_mib * MIB)).schedule
        yield f"planned, {case.row_block_mib:g} MiB", blocked


def _options(backend: Backend) -> dict[str, Any]:
    return {"initialization": "scaled", "backend": backend}


def _runner(name: str, net: Network, case: Case, recompute_fraction: float) -> Runner:
    X, y = (net.backend.asarray(x) for x in batch_of(case))

    def step() -> None:
        net.update_mini_batch(X, y, eta=ETA)
        net.backend.synchronize()

    def peak_bytes() -> int:
        with net.backend.measure() as usage:
            step()
        return usage.peak_bytes

    return Runner(name, "ours", step, peak_bytes, recompute_fraction)


def runners(case: Case, *, backend_name: str = "numpy", peers: bool = True) -> Iterator[Runner]:
    """Everything that can run here for a case, the control first."""
    backend = select_backend(backend_name)
    yield control(case, backend)
    yield from ours(case, backend)
    if peers and backend_name == "numpy":
        from bench.peers import jax_runners, torch_runners

        yield from torch_runners(case)
        yield from jax_runners(case)
