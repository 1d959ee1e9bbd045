"""PyTorch's steps: eager, with the optimizer in the backward pass, with `checkpoint_sequential`, and compiled.

And its matrix products alone.
"""

import os
import tempfile
import types
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its profiler reports each start and stop on standard error

import numpy as np
import torch
from torch._functorch import config as functorch_config
from torch.utils.checkpoint import checkpoint_sequential

from bench.machine.environment import blas_threads
from bench.steps.cases import Case
from bench.steps.runner import ETA, Absent, Runner, batch_of, parameters_of
from bench.steps.ways import BUDGETS, COMPILED, HOOKED, HOOKED_SEQUENTIAL, PRODUCTS, SEQUENTIAL

# PyTorch keeps compiled code for later processes in one place for all instruction sets, and code that was made for AVX2
# alone, run with AVX-512, writes beyond its arrays. The variable is read when the compiler is imported.
_USER = os.getuid() if hasattr(os, "getuid") else "all"
_KEPT = Path(tempfile.gettempdir()) / f"torchinductor_{_USER}_{torch.backends.cpu.get_cpu_capability()}"
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_KEPT))


def torch_runner(name: str, case: Case) -> Runner:
    """The runner of one of PyTorch's ways. Raises `Absent` where it cannot be compiled.

    Gradients are set to None after each step, as PyTorch advises, which frees them. `checkpoint_sequential`
    takes sqrt(L) segments, keeps no state of random numbers, and is not re-entrant.
    """
    torch.set_num_threads(blas_threads())
    net = _model(case)
    X, y = (torch.from_numpy(x) for x in batch_of(case))
    forward: Callable[[Any], Any] = net
    if name in (SEQUENTIAL, HOOKED_SEQUENTIAL):
        segments = max(round(case.n_layers**0.5), 1)

        def forward(x: Any) -> Any:
            return checkpoint_sequential(net, segments, x, use_reentrant=False, preserve_rng_state=False)

    elif name in (COMPILED, *BUDGETS):
        forward = compiled_forward(net, X, y, budget=BUDGETS.get(name, 1.0))
    if name in (HOOKED, HOOKED_SEQUENTIAL):
        for parameter in net.parameters():
            parameter.register_post_accumulate_grad_hook(_update)
        optimizer = None
    else:
        optimizer = torch.optim.SGD(net.parameters(), lr=ETA)

    def step() -> None:
        (((forward(X) - y) ** 2).sum() / (2 * len(X))).backward()
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def weights() -> list[np.ndarray]:
        return [layer[0].weight.detach().numpy().T for layer in net]

    return Runner(name, "peer", step, lambda: peak_bytes(step), weights=weights)


def torch_products(case: Case) -> Runner:
    """The step's matrix products alone, as PyTorch does them: weights are (n_out, n_in), as in its `Linear`."""
    torch.set_num_threads(blas_threads())
    weights = [torch.rand(n_out, n_in) for n_in, n_out in pairwise(case.sizes)]
    left = {n: torch.rand(case.batch_size, n) for n in set(case.sizes)}
    out = {n: torch.empty(case.batch_size, n) for n in set(case.sizes)}
    gradients = {W.shape: torch.empty(W.shape) for W in weights}

    def step() -> None:
        for W in weights:
            torch.mm(left[W.shape[1]], W.T, out=out[W.shape[0]])
        for layer in range(len(weights), 0, -1):
            W = weights[layer - 1]
            torch.mm(left[W.shape[0]].T, left[W.shape[1]], out=gradients[W.shape])
            if layer > 1:
                torch.mm(left[W.shape[0]], W, out=out[W.shape[1]])

    return Runner(PRODUCTS["torch"], "control", step, lambda: None)


def torch_facts() -> str:
    """What PyTorch multiplies with: its library and the instructions that it chose for this processor."""
    library = "MKL" if torch.backends.mkl.is_available() else "another BLAS than MKL"
    onednn = " and oneDNN" if torch.backends.mkldnn.is_available() else ""
    return f"{library}{onednn}, {torch.backends.cpu.get_cpu_capability()}"


def compiled_forward(net: Any, X: Any, y: Any, *, budget: float) -> Callable[[Any], Any]:
    """The compiled forward pass; both passes are compiled, and the parameters stay as they are.

    `budget` is PyTorch's `activation_memory_budget`, 1 for its default. Raises `Absent` with the compiler's reason.
    """

    def forward(x: Any) -> Any:
        return net(x)

    # PyTorch caches by code object: a code of its own, or this network would run what was compiled for another budget.
    code = forward.__code__.replace(co_name=f"forward_in_{budget:g}".replace(".", "_"))
    own = types.FunctionType(code, globals(), code.co_name, None, forward.__closure__)
    try:
        with functorch_config.patch(activation_memory_budget=budget):
            compiled: Callable[[Any], Any] = torch.compile(own)
            (((compiled(X) - y) ** 2).sum() / (2 * len(X))).backward()
    except Exception as error:  # whatever compilers raise: a peer that cannot be built is left out by name
        raise Absent(f"torch.compile failed: {str(error).strip().splitlines()[0]}") from error
    net.zero_grad(set_to_none=True)
    return compiled


def _model(case: Case) -> Any:
    layers = []
    for W, b in parameters_of(case):
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers.append(torch.nn.Sequential(linear, torch.nn.Sigmoid()))
    return torch.nn.Sequential(*layers)


def _update(p: Any) -> None:
    """The optimizer's step of one parameter as soon as its gradient exists, which is then freed."""
    with torch.no_grad():
        p.add_(p.grad, alpha=-ETA)
    p.grad = None


def peak_bytes(step: Callable[[], object]) -> int:
    """The peak of PyTorch's CPU allocator above the start of a step, from its profiler's memory events."""
    from torch.profiler import ProfilerActivity, profile

    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most
