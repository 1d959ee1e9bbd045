"""PyTorch's steps: eager, with the optimiser in the backward pass, with `checkpoint_sequential`, and compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint_sequential

from bench.machine.environment import blas_threads
from bench.steps.cases import Case
from bench.steps.runner import ETA, Absent, Runner, batch_of, parameters_of
from bench.steps.ways import COMPILED, HOOKED, SEQUENTIAL


def torch_runner(name: str, case: Case) -> Runner:
    """The runner of one of PyTorch's ways. Raises `Absent` where it cannot be compiled.

    Gradients are set to None after each step, as PyTorch advises, which frees them. `checkpoint_sequential`
    takes sqrt(L) segments, keeps no state of random numbers, and is not re-entrant.
    """
    torch.set_num_threads(blas_threads())
    net = _model(case)
    X, y = (torch.from_numpy(x) for x in batch_of(case))
    forward: Callable[[Any], Any] = net
    if name == SEQUENTIAL:
        segments = max(round(case.n_layers**0.5), 1)

        def forward(x: Any) -> Any:
            return checkpoint_sequential(net, segments, x, use_reentrant=False, preserve_rng_state=False)

    elif name == COMPILED:
        forward = torch.compile(net)
    if name == HOOKED:
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

    if name == COMPILED:
        _compile(net, forward, X, y)
    return Runner(name, "peer", step, lambda: _peak_bytes(step), weights=weights)


def _compile(net: Any, forward: Callable[[Any], Any], X: Any, y: Any) -> None:
    """Compile both passes and leave the parameters as they are. Raises `Absent` with the compiler's reason."""
    try:
        (((forward(X) - y) ** 2).sum() / (2 * len(X))).backward()
    except Exception as error:  # whatever compilers raise: a peer that cannot be built is left out by name
        raise Absent(f"torch.compile failed: {str(error).strip().splitlines()[0]}") from error
    net.zero_grad(set_to_none=True)


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
    """The optimiser's step of one parameter as soon as its gradient exists, which is then freed."""
    with torch.no_grad():
        p.add_(p.grad, alpha=-ETA)
    p.grad = None


def _peak_bytes(step: Callable[[], None]) -> int:
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
