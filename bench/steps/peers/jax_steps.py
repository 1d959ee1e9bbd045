"""JAX's steps: jitted with donated parameters, with and without `jax.checkpoint` on sqrt segments."""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the comparison is with NumPy on the host

import jax
import jax.numpy as jnp
import numpy as np

from bench.steps.cases import Case
from bench.steps.runner import ETA, Runner, batch_of, parameters_of
from bench.steps.ways import PRODUCTS, REMAT


def jax_runner(name: str, case: Case) -> Runner:
    """The runner of one of JAX's ways, compiled.

    The mini-batch is an argument, as XLA would fold a constant into the program; the parameters are donated, so that
    new ones reuse the memory of the old. Bytes are those that the compiled program declares beside its arguments; on a
    CPU they were no fewer with `jax.checkpoint` than without.
    """
    X, y = (jnp.asarray(x) for x in batch_of(case))
    forward = _segmented(max(round(case.n_layers**0.5), 1)) if name == REMAT else _forward

    def cost(layers: Any, X: Any, y: Any) -> Any:
        return ((forward(layers, X) - y) ** 2).sum() / (2 * X.shape[0])

    def update(layers: Any, X: Any, y: Any) -> Any:
        return jax.tree.map(lambda p, g: p - ETA * g, layers, jax.grad(cost)(layers, X, y))

    state = [[(jnp.array(W), jnp.array(b)) for W, b in parameters_of(case)]]
    compiled = jax.jit(update, donate_argnums=0).lower(state[0], X, y).compile()
    memory = compiled.memory_analysis()
    # Outputs written over donated parameters take no new memory.
    peak_bytes = int(memory.temp_size_in_bytes + max(memory.output_size_in_bytes - memory.alias_size_in_bytes, 0))

    def step() -> None:
        state[0] = jax.block_until_ready(compiled(state[0], X, y))

    def weights() -> list[np.ndarray]:
        return [np.asarray(W) for W, _ in state[0]]

    return Runner(name, "peer", step, lambda: peak_bytes, weights=weights)


def jax_products(case: Case) -> Runner:
    """The step's matrix products alone, as JAX does them, in one compiled call."""
    weights = [jnp.asarray(W) for W, _ in parameters_of(case)]
    left = {n: jnp.full((case.batch_size, n), 0.5, jnp.float32) for n in set(case.sizes)}

    def products(weights: Any, left: Any) -> Any:
        found = []
        for layer, W in enumerate(weights, start=1):
            n_in, n_out = W.shape
            made = [left[n_in] @ W, left[n_in].T @ left[n_out], *([left[n_out] @ W.T] if layer > 1 else [])]
            # A barrier, or XLA would compute the one value that is returned of each.
            found += [product[0, 0] for product in jax.lax.optimization_barrier(made)]
        return jnp.stack(found)

    compiled = jax.jit(products).lower(weights, left).compile()

    def step() -> None:
        jax.block_until_ready(compiled(weights, left))

    return Runner(PRODUCTS["jax"], "control", step, lambda: None)


def _forward(layers: Any, a: Any) -> Any:
    for W, b in layers:
        a = jax.nn.sigmoid(a @ W + b)
    return a


def _segmented(every: int) -> Callable[[Any, Any], Any]:
    """The forward pass with `jax.checkpoint` around each segment of `every` layers."""

    def forward(layers: Any, a: Any) -> Any:
        for start in range(0, len(layers), every):
            a = jax.checkpoint(_forward)(layers[start : start + every], a)
        return a

    return forward
