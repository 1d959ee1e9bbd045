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

SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.ones_like,
    "sigmoid": lambda z: ACTIVATED["sigmoid"](z) * ACTIVATED["sigmoid"](-z),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: np.where(z < 0, 0, np.ones_like(z)),
    "leaky-relu": lambda z: np.where(z < 0, 0.01, np.ones_like(z)),
    "elu": lambda z: np.exp(np.minimum(z, 0)),
    "softplus": ACTIVATED["sigmoid"],
}
"""The derivative of each activation but softmax, as a function of its input."""

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


def gradients_in_extended_precision(
    parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray, *, activation: str, output: str, cost: str
) -> list[np.ndarray]:
    """The gradient of `cost_of` by every parameter, computed in NumPy's longest floating-point type."""
    longest = [np.asarray(p, np.longdouble) for p in parameters]
    n_layers, outputs = len(parameters) // 2, [np.asarray(X, np.longdouble)]
    names = [activation] * (n_layers - 1) + [output]
    inputs = []
    for name, W, b in zip(names, longest, longest[n_layers:], strict=False):
        inputs.append(outputs[-1] @ W + b)
        outputs.append(ACTIVATED[name](inputs[-1]))
    error = outputs[-1] - y
    if cost not in COSTS_OF_INPUTS:
        error *= SLOPES[output](inputs[-1])
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    for layer in range(n_layers, 0, -1):
        weights.insert(0, outputs[layer - 1].T @ error)
        biases.insert(0, error.sum(axis=0))
        if layer > 1:
            error = (error @ longest[layer - 1].T) * SLOPES[activation](inputs[layer - 2])
    return weights + biases
