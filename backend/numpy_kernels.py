"""The NumPy backend's elementwise kernels, compiled by Numba: one pass over memory each, in place, no temporaries.

NumPy's ufuncs need four to six passes for what is one here, and allocate for what they cannot do in place; at the
sizes of a training step those passes cost 10 to 40% of its time. Compiled code is kept on disk (`cache=True`) and the
types are listed, so nothing is compiled during a step: once after an installation, when this file is first imported.
Loops run over whole rows of row-major arrays: an inner loop over memory without gaps is what the compiler vectorises,
hence `first`, the first column, in place of a slice of columns.

They run on one thread. A second one was measured: beside BLAS's threads, which spin for a while after a product, it
made a step of the widest layers a third slower.

Activations arrive as the numbers of `ACTIVATIONS`. Nothing here checks its arguments: the backend does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

from backend.elementary import exp_of_negative, sigmoid, tanh

ACTIVATIONS = {"identity": 0, "sigmoid": 1, "tanh": 2, "relu": 3, "softmax": 4}


def _compiled(*arguments: str, returns: types.Type = types.void) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a kernel for float32 and for float64 arrays, its arguments listed by these names."""
    signatures = []
    for item in (types.float32, types.float64):
        kinds = {
            "matrix": types.Array(item, 2, "C"),
            "any matrix": types.Array(item, 2, "A", readonly=True),
            "vector": types.Array(item, 1, "C"),
            "any vector": types.Array(item, 1, "A", readonly=True),
            "integer": types.int64,
            "number": types.float64,
        }
        signatures.append(returns(*(kinds[argument] for argument in arguments)))
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]] = njit(
        signatures, cache=True, nogil=True, fastmath={"contract"}, error_model="numpy"
    )
    return decorate


@_compiled("matrix", "vector", "integer")
def add_bias_activate(z, b, activation):  # type: ignore[no-untyped-def]
    """z := activation(z + b); z is (rows, features), C-contiguous."""
    rows, features = z.shape
    zero = z.dtype.type(0)
    for i in range(rows):
        if activation == 0:
            for j in range(features):
                z[i, j] += b[j]
        elif activation == 1:
            for j in range(features):
                z[i, j] = sigmoid(z[i, j] + b[j])
        elif activation == 2:
            for j in range(features):
                z[i, j] = tanh(z[i, j] + b[j])
        elif activation == 3:
            for j in range(features):
                x = z[i, j] + b[j]
                z[i, j] = zero if x < 0 else x  # NaN is not below 0, and stays
        else:
            largest = z[i, 0] + b[0]
            for j in range(features):
                x = z[i, j] + b[j]
                z[i, j] = x
                largest = x if x > largest else largest
            total = 0.0  # float64: the sum of many, each of them rounded once
            for j in range(features):
                e = exp_of_negative(z[i, j] - largest)
                z[i, j] = e
                total += e
            share = z.dtype.type(total)
            for j in range(features):
                z[i, j] /= share


@_compiled("matrix", "any matrix", "integer")
def output_delta(a, y, activation):  # type: ignore[no-untyped-def]
    """a := (a - y) * activation'(a), or a - y for softmax; y is (rows, features) like a, of any strides."""
    rows, features = a.shape
    zero = a.dtype.type(0)
    for i in range(rows):
        if activation == 1:
            for j in range(features):
                x = a[i, j]
                a[i, j] = (x - y[i, j]) * (x - x * x)
        elif activation == 2:
            for j in range(features):
                x = a[i, j]
                a[i, j] = (x - y[i, j]) * ((1 - x) * (1 + x))
        elif activation == 3:
            for j in range(features):
                x = a[i, j]
                a[i, j] = zero if x <= 0 else (x - y[i, j])
        else:
            for j in range(features):
                a[i, j] -= y[i, j]


@_compiled("matrix", "matrix", "integer", "integer")
def hidden_delta(a, d, first, activation):  # type: ignore[no-untyped-def]
    """a[:, first:first + c] := d * activation'(a[:, ...]); d is (rows, c), both C-contiguous."""
    rows, columns = d.shape
    zero = a.dtype.type(0)
    for i in range(rows):
        part = a[i, first : first + columns]  # a sum of two indices might be below 0, for all the compiler knows
        if activation == 0:
            for j in range(columns):
                part[j] = d[i, j]
        elif activation == 1:
            for j in range(columns):
                x = part[j]
                part[j] = d[i, j] * (x - x * x)
        elif activation == 2:
            for j in range(columns):
                x = part[j]
                part[j] = d[i, j] * ((1 - x) * (1 + x))
        else:
            for j in range(columns):
                part[j] = d[i, j] if part[j] > 0 else zero


@_compiled("matrix", "vector", "integer")
def sum_rows(d, out, onto):  # type: ignore[no-untyped-def]
    """out := the sum of d's rows, added from the first to the last; or with `onto`, out += them."""
    rows, features = d.shape
    if not onto:
        out[:] = 0
    for i in range(rows):
        for j in range(features):
            out[j] += d[i, j]


@_compiled("any matrix", "any matrix", returns=types.float64)
def quadratic_cost(a, y):  # type: ignore[no-untyped-def]
    """The sum of (a - y)^2 / 2, in float64."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            error = np.float64(a[i, j]) - np.float64(y[i, j])
            total += error * error
    return total / 2


@_compiled("any matrix", "any matrix", "number", returns=types.float64)
def cross_entropy_cost(a, y, smallest):  # type: ignore[no-untyped-def]
    """The sum of -y log(a), in float64, with a taken as no less than `smallest`."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if y[i, j] != 0:
                x = np.float64(a[i, j])
                total -= np.float64(y[i, j]) * np.log(smallest if x < smallest else x)
    return total


@_compiled("any matrix", "any matrix", returns=types.int64)
def count_correct(a, y):  # type: ignore[no-untyped-def]
    """The rows in which a and y have their (first) largest value in the same place."""
    correct = 0
    for i in range(a.shape[0]):
        best_a = 0
        best_y = 0
        for j in range(a.shape[1]):
            best_a = j if a[i, j] > a[i, best_a] else best_a
            best_y = j if y[i, j] > y[i, best_y] else best_y
        correct += best_a == best_y
    return correct
