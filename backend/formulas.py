"""Activations and costs as formulas in the array API alone: what every faster kernel is compared with.

`xp` is a namespace, `z`, `d`, `a` and `y` are its arrays. Derivatives are functions of the activation's output `a`, so
that pre-activations need not be kept.
"""

from typing import Any

Array = Any
"""An array of a backend's namespace."""

ACTIVATIONS = {
    "identity": 0,
    "sigmoid": 1,
    "tanh": 2,
    "relu": 3,
    "softmax": 4,
    "leaky-relu": 5,
    "elu": 6,
    "softplus": 7,
}
"""The activations, by the numbers that compiled kernels know. Softmax is along each row, the rest are elementwise."""

COSTS = {"quadratic": 0, "cross-entropy": 1, "binary-cross-entropy": 2}
"""The costs, by the same kind of number."""

LEAKY_SLOPE = 0.01
"""The slope of leaky ReLU below 0."""

SUMMED_ROWS = 64
"""Rows that `cost_sum` takes at a time, so that its temporaries stay small."""


def activate_(xp: Any, z: Array, activation: str) -> None:
    """z := activation(z). Raises `ValueError` for an unknown activation."""
    if activation == "sigmoid":
        e = xp.exp(-xp.abs(z))  # never overflows
        z[...] = xp.where(z < 0, e, xp.ones_like(e)) / (1 + e)
    elif activation == "tanh":
        z[...] = xp.tanh(z)
    elif activation == "relu":
        z[...] = xp.where(z < 0, xp.zeros_like(z), z)
    elif activation == "leaky-relu":
        z[...] = xp.where(z < 0, LEAKY_SLOPE * z, z)
    elif activation == "elu":
        z[...] = xp.where(z < 0, xp.expm1(xp.where(z < 0, z, xp.zeros_like(z))), z)
    elif activation == "softplus":
        z[...] = xp.where(z < 0, xp.zeros_like(z), z) + xp.log1p(xp.exp(-xp.abs(z)))
    elif activation == "softmax":
        z -= xp.max(z, axis=1, keepdims=True)
        z[...] = xp.exp(z)
        z /= xp.sum(z, axis=1, keepdims=True)
    elif activation != "identity":
        raise ValueError(f"unknown activation {activation!r}; choose {' or '.join(ACTIVATIONS)}")


def times_derivative(xp: Any, d: Array, a: Array, activation: str) -> Array:
    """d times the derivative of an elementwise activation whose output is `a`. Raises `ValueError` for softmax."""
    if activation == "sigmoid":
        return d * (a * (1 - a))
    if activation == "tanh":
        return d * ((1 - a) * (1 + a))
    if activation == "relu":
        return xp.where(a <= 0, xp.zeros_like(d), d)
    if activation == "leaky-relu":
        return xp.where(a <= 0, LEAKY_SLOPE * d, d)
    if activation == "elu":
        return xp.where(a <= 0, d * (a + 1), d)
    if activation == "softplus":
        return d * -xp.expm1(-a)
    if activation == "identity":
        return d
    raise ValueError(f"activation {activation!r} has no elementwise derivative")


def output_delta(xp: Any, a: Array, y: Array, activation: str) -> Array:
    """The output error, (a - y) * activation'(a).

    For "softmax" it is a - y: the derivative belongs to the cross-entropy cost, which cancels it.
    """
    delta = a - y
    return delta if activation == "softmax" else times_derivative(xp, delta, a, activation)


def cost_sum(xp: Any, a: Array, y: Array, cost: str, weights: Array | None = None) -> float:
    """The cost summed over the rows, each times its weight (rows,) where there are `weights`.

    "quadratic": |a - y|^2 / 2; "cross-entropy": -sum y log a; "binary-cross-entropy": that and -sum (1 - y) log(1 - a).
    An a below the smallest normal number counts as that number, and a 1 - a of 0 as half a unit in the last place of 1.
    Raises `ValueError` for an unknown cost.
    """
    if cost not in COSTS:
        raise ValueError(f"unknown cost {cost!r}; choose {' or '.join(COSTS)}")
    total = 0.0
    for start in range(0, a.shape[0], SUMMED_ROWS):
        rows = slice(start, min(start + SUMMED_ROWS, a.shape[0]))
        if cost == "quadratic":
            error = a[rows, :] - y[rows, :]
            total += float(xp.sum(_weighed(xp, error * error, weights, rows))) / 2
        else:
            least = xp.finfo(a.dtype)
            t = _weighed(xp, y[rows, :], weights, rows)
            total -= _times_log(xp, t, a[rows, :], float(least.smallest_normal))
            if cost == "binary-cross-entropy":
                t = _weighed(xp, 1 - y[rows, :], weights, rows)
                total -= _times_log(xp, t, 1 - a[rows, :], float(least.eps) / 2)
    return total


def _weighed(xp: Any, x: Array, weights: Array | None, rows: slice) -> Array:
    return x if weights is None else x * xp.reshape(weights[rows], (x.shape[0], 1))


def _times_log(xp: Any, y: Array, a: Array, least: float) -> float:
    """The sum of y log(a), a taken as no less than `least`."""
    return float(xp.sum(y * xp.log(xp.where(a < least, xp.full_like(a, least), a))))


def count_correct(xp: Any, a: Array, y: Array) -> int:
    """The number of rows in which `a` and `y` have their largest value in the same column."""
    same = xp.argmax(a, axis=1) == xp.argmax(y, axis=1)
    return int(xp.sum(xp.astype(same, xp.int64)))
