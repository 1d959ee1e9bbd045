"""What is done to rows of values, elementwise or by adding them up; compiled by Numba.

Rows are given by their addresses; `item` only tells the dtype. Loops are over memory without gaps, which is what the
compiler makes vectors of.
"""

from backend.numpy.kernels.elementary import exp_of_negative, sigmoid, tanh
from backend.numpy.kernels.packing import compiled, lanes_of, share
from backend.numpy.kernels.vector_code import pointer


@compiled
def activate(item, strip, bias, out, n, activation):  # type: ignore[no-untyped-def]
    """out := activation(strip + bias), n values of each; "softmax" is left as it is, and done later."""
    x, b, z = pointer(item, strip), pointer(item, bias), pointer(item, out)
    if activation == 1:
        for j in range(n):
            z[j] = sigmoid(x[j] + b[j])
    elif activation == 2:
        for j in range(n):
            z[j] = tanh(x[j] + b[j])
    elif activation == 3:
        for j in range(n):
            value = x[j] + b[j]
            z[j] = item if value < 0 else value  # NaN is not below 0, and stays
    else:
        for j in range(n):
            z[j] = x[j] + b[j]


@compiled
def softmax(item, out, n):  # type: ignore[no-untyped-def]
    """out := softmax(out), a row of n values."""
    z = pointer(item, out)
    largest = z[0]
    for j in range(n):
        largest = z[j] if z[j] > largest else largest
    total = 0.0  # float64: the sum of many, each of them rounded once
    for j in range(n):
        e = exp_of_negative(z[j] - largest)
        z[j] = e
        total += e
    share_of_each = type(item)(total)
    for j in range(n):
        z[j] /= share_of_each


@compiled
def times_derivative(item, strip, a, n, activation):  # type: ignore[no-untyped-def]
    """a := strip * activation'(a), n values of each, the derivative as a function of the activation's output."""
    d, x = pointer(item, strip), pointer(item, a)
    if activation == 1:
        for j in range(n):
            x[j] = d[j] * (x[j] - x[j] * x[j])
    elif activation == 2:
        for j in range(n):
            x[j] = d[j] * ((1 - x[j]) * (1 + x[j]))
    elif activation == 3:
        for j in range(n):
            x[j] = d[j] if x[j] > 0 else item
    else:
        for j in range(n):
            x[j] = d[j]


@compiled
def add(item, strip, total, n, onto):  # type: ignore[no-untyped-def]
    """total := strip, or with `onto` += it."""
    x, sums = pointer(item, strip), pointer(item, total)
    if onto:
        for j in range(n):
            sums[j] += x[j]
    else:
        for j in range(n):
            sums[j] = x[j]


@compiled
def bias_gradient(item, delta, out, rows, n_out, onto, part, n_parts):  # type: ignore[no-untyped-def]
    """out := the sum of delta's rows, first to last, or with `onto` += it: this part's columns."""
    left, right = share(n_out, lanes_of(item), part, n_parts)
    d, sums = pointer(item, delta), pointer(item, out)
    if not onto:
        for j in range(left, right):
            sums[j] = 0
    for i in range(rows):
        for j in range(left, right):
            sums[j] += d[i * n_out + j]


@compiled
def all_finite(item, values, n):  # type: ignore[no-untyped-def]
    """Whether none of n values is NaN or infinite: either one less itself is NaN, and so is a sum with it."""
    v = pointer(item, values)
    total = item
    for i in range(n):
        total += v[i] - v[i]
    return total == 0


@compiled
def apply_gradient(item, w, g, n, rate, part, n_parts):  # type: ignore[no-untyped-def]
    """w -= rate * g, of n values: this part's of them."""
    left, right = share(n, lanes_of(item), part, n_parts)
    weights, gradient, factor = pointer(item, w), pointer(item, g), type(item)(rate)
    for i in range(left, right):
        weights[i] -= factor * gradient[i]


@compiled
def apply_momentum(item, w, v, g, n, rate, momentum, part, n_parts):  # type: ignore[no-untyped-def]
    """v := momentum * v - rate * g, then w += v, of n values: this part's of them."""
    left, right = share(n, lanes_of(item), part, n_parts)
    weights, velocity, gradient = pointer(item, w), pointer(item, v), pointer(item, g)
    factor, kept = type(item)(rate), type(item)(momentum)
    for i in range(left, right):
        velocity[i] = kept * velocity[i] - factor * gradient[i]
        weights[i] += velocity[i]
