"""The NumPy backend's small kernels, compiled by Numba: the output error, and what is reported of an output.

Each is one pass over memory, in place, on one thread, and without temporaries; the steps of layers, which are nearly
all of the work, are in `backend.numpy.kernels.layer_jobs`. Compiled code is kept on disk (`cache=True`) and the types are listed, so
nothing is compiled during a step: once after an installation, when this file is first imported.

Activations arrive as the numbers of `layer_jobs.ACTIVATIONS`. Nothing here checks its arguments: the backend does.
"""

import numpy as np
from numba import types

from backend.numpy.kernels.compiled import for_both_dtypes


@for_both_dtypes("matrix", "any matrix", "integer")
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


@for_both_dtypes("any matrix", "any matrix", returns=types.float64)
def quadratic_cost(a, y):  # type: ignore[no-untyped-def]
    """The sum of (a - y)^2 / 2, in float64."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            error = np.float64(a[i, j]) - np.float64(y[i, j])
            total += error * error
    return total / 2


@for_both_dtypes("any matrix", "any matrix", "number", returns=types.float64)
def cross_entropy_cost(a, y, smallest):  # type: ignore[no-untyped-def]
    """The sum of -y log(a), in float64, with a taken as no less than `smallest`."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if y[i, j] != 0:
                x = np.float64(a[i, j])
                total -= np.float64(y[i, j]) * np.log(smallest if x < smallest else x)
    return total


@for_both_dtypes("any matrix", "any matrix", returns=types.int64)
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
