"""Activations and costs by their definitions, in float64: what networks and gradients are compared with."""

from collections.abc import Callable

import numpy as np

ACTIVATED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky-relu": lambda z: np.where(z < 0, 0.01 * z, z),
    "elu": lambda z: np.where(z < 0, np.expm1(np.minimum(z, 0)), z),
    "softplus": lambda z: np.logaddexp(z, 0),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
}

COSTS_OF_INPUTS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "cross-entropy": lambda z, y: float(np.sum(y * (np.log(np.exp(z).sum(axis=1, keepdims=True)) - z))),
    "binary-cross-entropy": lambda z, y: float(np.sum(np.logaddexp(z, 0) - y * z)),
}
"""The costs that go with one output activation, of that activation's input z."""


def cost_of(
    parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray, *, activation: str, output: str, cost: str
) -> tuple[float, list[np.ndarray]]:
    """The cost summed over the batch, of `parameters` (weights, then biases), and the inputs z of each layer."""
    n_layers, a, inputs = len(parameters) // 2, X, []
    for layer in range(1, n_layers + 1):
        inputs.append(a @ parameters[layer - 1] + parameters[n_layers + layer - 1])
        a = ACTIVATED[activation if layer < n_layers else output](inputs[-1])
    if cost in COSTS_OF_INPUTS:
        return COSTS_OF_INPUTS[cost](inputs[-1], y), inputs
    return float(((a - y) ** 2).sum() / 2), inputs
