"""The NumPy backend without compiled kernels: NumPy's own products and ufuncs, in place.

It serves where nothing could be compiled. Its bytes are exact too, but others: the error below a layer needs a piece of
it apart, and sums of row blocks are added up in another order. What a kernel needs beside its arrays lies in a small
piece of memory that each Python thread has, which no meter of arrays counts.
"""

import mmap
import sys
import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from backend.base import Backend
from backend.facts import FACTS, UNCOMPILED
from backend.formulas import LEAKY_SLOPE
from backend.numpy.arrays import NumpyArrays

WORK_VALUES = 2**15
"""Values that a kernel takes at a time."""


_NUMBERS = {
    (np.dtype(dtype), value): np.array(value, dtype)
    for dtype in ("float32", "float64")
    for value in (0, 1, LEAKY_SLOPE)
}
"""Constants as arrays: NumPy makes an array of each number that it is given, and that is counted."""


class _Work(threading.local):
    """Memory of no array library, so that no meter of arrays counts it: places for values, truths and a number."""

    def __init__(self) -> None:
        size = (2 * 8 + 1) * WORK_VALUES + 8
        if sys.platform == "win32":
            self._memory = mmap.mmap(-1, size)
        else:  # private: a forked process has its own, or both would compute in the same
            self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def values(self, dtype: Any, shape: tuple[int, ...], place: int = 0) -> np.ndarray:
        flat = np.frombuffer(self._memory, dtype, WORK_VALUES, 8 * WORK_VALUES * place)
        return flat[: prod(shape)].reshape(shape)

    def truths(self, shape: tuple[int, ...]) -> np.ndarray:
        flat = np.frombuffer(self._memory, np.bool_, WORK_VALUES, 16 * WORK_VALUES)
        return flat[: prod(shape)].reshape(shape)

    def number(self, value: float, dtype: Any) -> np.ndarray:
        """A number as an array without dimensions."""
        number = np.frombuffer(self._memory, dtype, 1, 17 * WORK_VALUES).reshape(())
        number[()] = value
        return number


_work = _Work()


def _tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """A matrix in parts of at most WORK_VALUES values, as whole rows where those fit."""
    across = min(columns, WORK_VALUES)
    down = max(1, WORK_VALUES // max(across, 1))
    for top in range(0, rows, down):
        for left in range(0, columns, max(across, 1)):
            yield slice(top, min(top + down, rows)), slice(left, min(left + across, columns))


class UncompiledNumpy(NumpyArrays):
    """NumPy on the host with its own kernels. They allocate no arrays."""

    facts = FACTS[UNCOMPILED]
    compiled = False

    def matmul(self, a: np.ndarray, b: np.ndarray, *, out: np.ndarray) -> None:
        np.matmul(a, b, out=out)

    def add_bias_activate_(self, z: np.ndarray, b: np.ndarray, activation: str) -> None:
        if activation not in ("identity", "sigmoid", "tanh", "relu", "softmax", "leaky-relu", "elu", "softplus"):
            raise ValueError(f"unknown activation {activation!r}")
        np.add(z, b, out=z)
        if activation == "softmax":
            _softmax(z)
            return
        for tile in _tiles(*z.shape):
            _activate(z[tile], activation)

    def output_delta_(self, a: np.ndarray, y: np.ndarray, activation: str) -> None:
        for tile in _tiles(*a.shape):
            part = a[tile]
            error = _work.values(a.dtype, part.shape, 1)
            np.subtract(part, y[tile], out=error)
            _times_derivative(part, error, "identity" if activation == "softmax" else activation)

    def hidden_delta_(self, a: np.ndarray, d: np.ndarray, activation: str, columns: slice = slice(None)) -> None:
        below = a[:, columns]
        for tile in _tiles(*below.shape):
            _times_derivative(below[tile], d[tile], activation)

    def sum_rows(self, d: np.ndarray, *, out: np.ndarray, onto: bool = False) -> None:
        if not onto:
            np.sum(d, axis=0, out=out)
            return
        for left in range(0, d.shape[1], WORK_VALUES):
            columns = slice(left, min(left + WORK_VALUES, d.shape[1]))
            total = _work.values(d.dtype, (columns.stop - left,))
            np.sum(d[:, columns], axis=0, out=total)
            out[columns] += total

    def add_product_(self, total: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
        for rows, columns in _tiles(*total.shape):
            part = total[rows, columns]
            product = _work.values(total.dtype, part.shape)
            np.matmul(a[rows, :], b[:, columns], out=product)
            np.add(part, product, out=part)

    def apply_gradient_(self, w: np.ndarray, g: np.ndarray, rate: float) -> None:
        factor = _work.number(rate, w.dtype)
        for place in _flat_tiles(w):
            step = _work.values(w.dtype, w[place].shape)
            np.multiply(g[place], factor, out=step)
            np.subtract(w[place], step, out=w[place])

    def apply_momentum_(self, w: np.ndarray, v: np.ndarray, g: np.ndarray, rate: float, momentum: float) -> None:
        np.multiply(v, _work.number(momentum, v.dtype), out=v)
        self.apply_gradient_(v, g, rate)
        np.add(w, v, out=w)

    def all_finite(self, v: np.ndarray) -> bool:
        for place in _flat_tiles(v):
            finite = np.isfinite(v[place], out=_work.truths(v[place].shape))
            if np.count_nonzero(finite) < finite.size:
                return False
        return True

    def cost_sum(self, a: np.ndarray, y: np.ndarray, cost: str) -> float:
        total, least = 0.0, float(np.finfo(a.dtype).smallest_normal)
        for tile in _tiles(*a.shape):
            shape = a[tile].shape
            x, t = _work.values(np.float64, shape), _work.values(np.float64, shape, 1)
            np.copyto(x, a[tile])
            np.copyto(t, y[tile])
            if cost == "quadratic":
                np.subtract(x, t, out=x)
                total += _dot(x, x) / 2
                continue
            if cost not in ("cross-entropy", "binary-cross-entropy"):
                raise ValueError(f"unknown cost {cost!r}")
            total -= _times_log(x, t, least)
            if cost == "binary-cross-entropy":
                np.copyto(x, a[tile])
                np.subtract(_NUMBERS[x.dtype, 1], x, out=x)
                np.subtract(_NUMBERS[x.dtype, 1], t, out=t)
                total -= _times_log(x, t, least)
        return total

    def count_correct(self, a: np.ndarray, y: np.ndarray) -> int:
        correct = 0
        for top in range(0, a.shape[0], WORK_VALUES):
            rows = slice(top, min(top + WORK_VALUES, a.shape[0]))
            places = [_work.values(np.intp, (rows.stop - top,), which) for which in (0, 1)]
            np.argmax(a[rows], axis=1, out=places[0])
            np.argmax(y[rows], axis=1, out=places[1])
            same = np.equal(places[0], places[1], out=_work.truths(places[0].shape))
            correct += int(np.count_nonzero(same))
        return correct

    forward_layer_ = Backend.forward_layer_
    backward_layer_ = Backend.backward_layer_


def _flat_tiles(w: np.ndarray) -> Iterator[Any]:
    """Indices of parts of a matrix or a vector, of at most WORK_VALUES values each."""
    if w.ndim == 2:
        yield from _tiles(*w.shape)
    else:
        yield from (slice(first, first + WORK_VALUES) for first in range(0, w.size, WORK_VALUES))


def _times_log(x: np.ndarray, t: np.ndarray, least: float) -> float:
    """The sum of t log(x), x taken as no less than `least`; x is spoilt."""
    np.maximum(x, _work.number(least, x.dtype), out=x)
    np.log(x, out=x)
    return _dot(t, x)


def _dot(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.dot(x.reshape(-1), y.reshape(-1), out=_work.number(0, x.dtype)))


def _softmax(z: np.ndarray) -> None:
    for top in range(0, z.shape[0], WORK_VALUES):
        rows = z[top : top + WORK_VALUES]
        of_row = _work.values(z.dtype, (len(rows), 1))
        np.max(rows, axis=1, keepdims=True, out=of_row)
        np.subtract(rows, of_row, out=rows)
        np.exp(rows, out=rows)
        np.sum(rows, axis=1, keepdims=True, out=of_row)
        np.divide(rows, of_row, out=rows)


def _activate(z: np.ndarray, activation: str) -> None:
    """z := activation(z), elementwise, a part of at most WORK_VALUES values."""
    zero, slope = _NUMBERS[z.dtype, 0], _NUMBERS[z.dtype, LEAKY_SLOPE]
    negative = np.less(z, zero, out=_work.truths(z.shape))
    if activation == "sigmoid":
        x, one = _work.values(np.float64, z.shape), _NUMBERS[np.dtype("float64"), 1]
        e = _work.values(np.float64, z.shape, 1)
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


def _times_derivative(a: np.ndarray, d: np.ndarray, activation: str) -> None:
    """a := d activation'(a), a part of at most WORK_VALUES values."""
    factor = _work.values(a.dtype, a.shape)
    zero, one, slope = (_NUMBERS[a.dtype, value] for value in (0, 1, LEAKY_SLOPE))
    low = np.less_equal(a, zero, out=_work.truths(a.shape))
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
