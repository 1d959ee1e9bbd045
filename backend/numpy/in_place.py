"""Activations, their derivatives and logarithms by NumPy's ufuncs, in place, a part of at most WORK_VALUES values."""

import numpy as np

from backend.formulas import LEAKY_SLOPE
from backend.numpy.working import NUMBERS, WORK_VALUES, work


def times_log(x: np.ndarray, t: np.ndarray, least: float) -> float:
    """The sum of t log(x), x taken as no less than `least`; x is spoilt."""
    np.maximum(x, work.number(least, x.dtype), out=x)
    np.log(x, out=x)
    return dot(t, x)


def dot(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.dot(x.reshape(-1), y.reshape(-1), out=work.number(0, x.dtype)))


def softmax(z: np.ndarray) -> None:
    for top in range(0, z.shape[0], WORK_VALUES):
        rows = z[top : top + WORK_VALUES]
        of_row = work.values(z.dtype, (len(rows), 1))
        np.max(rows, axis=1, keepdims=True, out=of_row)
        np.subtract(rows, of_row, out=rows)
        np.exp(rows, out=rows)
        np.sum(rows, axis=1, keepdims=True, out=of_row)
        np.divide(rows, of_row, out=rows)


def activate(z: np.ndarray, activation: str) -> None:
    """z := activation(z), elementwise, a part of at most WORK_VALUES values."""
    zero, slope = NUMBERS[z.dtype, 0], NUMBERS[z.dtype, LEAKY_SLOPE]
    negative = np.less(z, zero, out=work.truths(z.shape))
    if activation == "sigmoid":
        x, one = work.values(np.float64, z.shape), NUMBERS[np.dtype("float64"), 1]
        e = work.values(np.float64, z.shape, 1)
        np.copyto(x, z)  # in double: NumPy's exp of float32 is off by more than two units in the last place
        np.abs(x, out=e)
        np.negative(e, out=e)
        np.exp(e, out=e)
        np.copyto(x, one)
        np.copyto(x, e, where=negative)
        np.add(e, one, out=e)
        np.divide(x, e, out=x)
        np.copyto(z, x, casting="same_kind")
    elif activation == "tanh":
        np.tanh(z, out=z)
    elif activation == "relu":
        np.copyto(z, zero, where=negative)
    elif activation == "leaky-relu":
        np.multiply(z, slope, out=z, where=negative)
    elif activation == "elu":
        np.expm1(z, out=z, where=negative)
    elif activation == "softplus":
        np.logaddexp(z, zero, out=z)


def times_derivative(a: np.ndarray, d: np.ndarray, activation: str) -> None:
    """a := d activation'(a), a part of at most WORK_VALUES values."""
    factor = work.values(a.dtype, a.shape)
    zero, one, slope = (NUMBERS[a.dtype, value] for value in (0, 1, LEAKY_SLOPE))
    low = np.less_equal(a, zero, out=work.truths(a.shape))
    if activation in ("relu", "leaky-relu", "identity"):
        np.copyto(a, d)
        if activation != "identity":
            np.multiply(a, slope, out=a, where=low) if activation == "leaky-relu" else np.copyto(a, zero, where=low)
        return
    if activation == "sigmoid":
        np.subtract(one, a, out=factor)
        np.multiply(a, factor, out=a)
    elif activation == "tanh":  # not 1 - a a, which cancels where a is near 1
        np.subtract(one, a, out=factor)
        np.add(a, one, out=a)
        np.multiply(a, factor, out=a)
    elif activation == "elu":
        np.add(a, one, out=factor)
        np.copyto(a, one)
        np.copyto(a, factor, where=low)
    elif activation == "softplus":
        np.negative(a, out=a)
        np.expm1(a, out=a)
        np.negative(a, out=a)
    else:
        raise ValueError(f"activation {activation!r} has no elementwise derivative")
    np.multiply(a, d, out=a)
