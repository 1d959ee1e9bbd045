"""Peers at the same work: PyTorch and JAX, sigmoid and quadratic cost, gradient descent. Absent ones give no runner."""

import importlib.util
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from bench.cases import Case
from bench.runners import ETA, Runner, batch_of


def absent_peers() -> list[str]:
    """The peers that are not installed, by name."""
    return [name for name in ("torch", "jax") if importlib.util.find_spec(name) is None]


def torch_runners(case: Case) -> Iterator[Runner]:
    """PyTorch eager, with the optimiser in the backward pass, and with `checkpoint_sequential` in sqrt segments."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch
    from torch.utils.checkpoint import checkpoint_sequential

    X, y = (torch.from_numpy(x) for x in batch_of(case))

    def model() -> Any:
        torch.manual_seed(0)
        layers = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Sigmoid()) for a, b in pairwise(case.sizes)]
        return torch.nn.Sequential(*layers)

    def cost(a: Any) -> Any:
        return ((a - y) ** 2).sum() / (2 * len(X))

    def runner(name: str, net: Any, forward: Any, optimizer: Any) -> Runner:
        def step() -> None:
            cost(forward(net, X)).backward()
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

        return Runner(name, "peer", step, lambda: _torch_peak_bytes(step))

    def sgd(net: Any) -> Any:
        return torch.optim.SGD(net.parameters(), lr=ETA)

    plain = model()
    yield runner("PyTorch eager", plain, lambda net, x: net(x), sgd(plain))
    hooked = model()
    for parameter in hooked.parameters():

        def update(p: Any) -> None:
            with torch.no_grad():
                p.add_(p.grad, alpha=-ETA)
            p.grad = None

        parameter.register_post_accumulate_grad_hook(update)
    yield runner("PyTorch, optimiser in backward", hooked, lambda net, x: net(x), None)
    segments = max(round((len(case.sizes) - 1) ** 0.5), 1)
    checkpointed = model()
    yield runner(
        f"PyTorch checkpoint_sequential, {segments} segments",
        checkpointed,
        lambda net, x: checkpoint_sequential(net, segments, x, use_reentrant=False),
        sgd(checkpointed),
    )


def _torch_peak_bytes(step: Any) -> int:
    """The most bytes of PyTorch's CPU allocator above the start of a step, from its profiler's memory events."""
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


def jax_runners(case: Case) -> Iterator[Runner]:
    """JAX, jitted with donated parameters, without and with `jax.checkpoint` on sqrt segments."""
    if importlib.util.find_spec("jax") is None:
        return
    import jax
    import jax.numpy as jnp

    X, y = (jnp.asarray(x) for x in batch_of(case))
    keys = jax.random.split(jax.random.key(0), len(case.sizes))

    def parameters() -> list[Any]:
        return [
            (jax.random.normal(key, (a, b)) / a**0.5, jnp.zeros(b))
            for key, (a, b) in zip(keys, pairwise(case.sizes), strict=False)
        ]

    def run(layers: Any, a: Any) -> Any:
        for W, b in layers:
            a = jax.nn.sigmoid(a @ W + b)
        return a

    every = max(round((len(case.sizes) - 1) ** 0.5), 1)

    def run_checkpointed(layers: Any, a: Any) -> Any:
        for start in range(0, len(layers), every):
            a = jax.checkpoint(run)(layers[start : start + every], a)
        return a

    for name, forward in (("JAX jit", run), ("JAX jit, checkpoint, sqrt", run_checkpointed)):

        def cost(layers: Any, forward: Any = forward) -> Any:
            return ((forward(layers, X) - y) ** 2).sum() / (2 * len(X))

        def update(layers: Any, cost: Any = cost) -> Any:
            return jax.tree.map(lambda p, g: p - ETA * g, layers, jax.grad(cost)(layers))

        compiled = jax.jit(update, donate_argnums=0).lower(parameters()).compile()
        state = [parameters()]

        def step(compiled: Any = compiled, state: list[Any] = state) -> None:
            state[0] = jax.block_until_ready(compiled(state[0]))

        temporary = int(compiled.memory_analysis().temp_size_in_bytes)
        yield Runner(name, "peer", step, lambda temporary=temporary: temporary)  # type: ignore[misc]
