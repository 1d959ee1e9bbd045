"""The NumPy backend without compiled kernels: NumPy's own products and ufuncs, in place.

It serves where nothing could be compiled. Its bytes are exact too, but others: the error below a layer needs a piece of
it apart, and sums of row blocks are added up in another order. What a kernel needs beside its arrays lies in a small
piece of memory that each Python thread has, which no meter of arrays counts.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from backend.base import Backend
from backend.dropping import Drop
from backend.facts import FACTS, UNCOMPILED
from backend.numpy.arrays import NumpyArrays
from backend.numpy.dropping import drop_row
from backend.numpy.in_place import activate, dot, softmax, times_derivative, times_log
from backend.numpy.rules_in_place import apply_rule
from backend.numpy.working import NUMBERS, WORK_VALUES, flat_tiles, tiles, work
from backend.rules import RULES, RuleNumbers


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
            softmax(z)
            return
        for tile in tiles(*z.shape):
            activate(z[tile], activation)

    def output_delta_(self, a: np.ndarray, y: np.ndarray, activation: str) -> None:
        for tile in tiles(*a.shape):
            part = a[tile]
            error = work.values(a.dtype, part.shape, 1)
            np.subtract(part, y[tile], out=error)
            times_derivative(part, error, "identity" if activation == "softmax" else activation)

    def hidden_delta_(self, a: np.ndarray, d: np.ndarray, activation: str, columns: slice = slice(None)) -> None:
        below = a[:, columns]
        for tile in tiles(*below.shape):
            times_derivative(below[tile], d[tile], activation)

    def sum_rows(
        self, d: np.ndarray, *, out: np.ndarray, onto: bool = False, factor: float = 1.0, keep: float = 1.0
    ) -> None:
        if not onto:
            np.sum(d, axis=0, out=out)
            return
        for left in range(0, d.shape[1], WORK_VALUES):
            columns = slice(left, min(left + WORK_VALUES, d.shape[1]))
            total = work.values(d.dtype, (columns.stop - left,))
            np.sum(d[:, columns], axis=0, out=total)
            _add_times(out[columns], total, factor, keep)

    def add_product_(
        self, total: np.ndarray, a: np.ndarray, b: np.ndarray, *, factor: float = 1.0, keep: float = 1.0
    ) -> None:
        for rows, columns in tiles(*total.shape):
            part = total[rows, columns]
            product = work.values(total.dtype, part.shape)
            np.matmul(a[rows, :], b[:, columns], out=product)
            _add_times(part, product, factor, keep)

    def apply_gradient_(self, w: np.ndarray, g: np.ndarray, rate: float) -> None:
        factor = work.number(rate, w.dtype)
        for place in flat_tiles(w):
            step = work.values(w.dtype, w[place].shape)
            np.multiply(g[place], factor, out=step)
            np.subtract(w[place], step, out=w[place])

    def apply_momentum_(self, w: np.ndarray, v: np.ndarray, g: np.ndarray, rate: float, momentum: float) -> None:
        np.multiply(v, work.number(momentum, v.dtype), out=v)
        self.apply_gradient_(v, g, rate)
        np.add(w, v, out=w)

    def apply_rule_(
        self, w: np.ndarray, g: np.ndarray, kept: Sequence[np.ndarray], rule: str, numbers: RuleNumbers
    ) -> None:
        if rule not in RULES:
            raise ValueError(f"unknown rule {rule!r}")
        for place in flat_tiles(w):
            apply_rule(w[place], g[place], [state[place] for state in kept], rule, numbers)

    def gradient_norm(self, weight: np.ndarray, bias: np.ndarray) -> float:
        total = 0.0
        for array in (weight, bias):
            for place in flat_tiles(array):
                x = work.values(np.float64, array[place].shape)
                np.copyto(x, array[place])
                total += dot(x, x)
        return sqrt(total)

    def all_finite(self, v: np.ndarray) -> bool:
        for place in flat_tiles(v):
            finite = np.isfinite(v[place], out=work.truths(v[place].shape))
            if np.count_nonzero(finite) < finite.size:
                return False
        return True

    def drop_(self, a: np.ndarray, drop: Drop, columns: slice = slice(None), *, undo: bool = False) -> None:
        first, stop, _ = columns.indices(a.shape[1])
        at_once = WORK_VALUES - 4
        for i, row in enumerate(a):
            for start in range(first, stop, at_once):
                part = row[start : min(start + at_once, stop)]
                drop_row(part, drop, drop.row + i, start, undo=undo)

    def scale_rows_(self, d: np.ndarray, weights: np.ndarray) -> None:
        np.multiply(d, weights.reshape(-1, 1), out=d)

    def cost_sum(self, a: np.ndarray, y: np.ndarray, cost: str, weights: np.ndarray | None = None) -> float:
        total, limits = 0.0, np.finfo(a.dtype)
        for tile in tiles(*a.shape):
            shape = a[tile].shape
            x, t = work.values(np.float64, shape), work.values(np.float64, shape, 1)
            np.copyto(x, a[tile])
            np.copyto(t, y[tile])
            if cost == "quadratic":
                np.subtract(x, t, out=x)
                np.copyto(t, x)
                _weigh(t, weights, tile)
                total += dot(x, t) / 2
                continue
            if cost not in ("cross-entropy", "binary-cross-entropy"):
                raise ValueError(f"unknown cost {cost!r}")
            _weigh(t, weights, tile)
            total -= times_log(x, t, float(limits.smallest_normal))
            if cost == "binary-cross-entropy":
                np.copyto(x, a[tile])
                np.subtract(NUMBERS[x.dtype, 1], x, out=x)
                np.copyto(t, y[tile])
                np.subtract(NUMBERS[x.dtype, 1], t, out=t)
                _weigh(t, weights, tile)
                total -= times_log(x, t, float(limits.epsneg))
        return total

    def count_correct(self, a: np.ndarray, y: np.ndarray) -> int:
        correct = 0
        for top in range(0, a.shape[0], WORK_VALUES):
            rows = slice(top, min(top + WORK_VALUES, a.shape[0]))
            places = [work.values(np.intp, (rows.stop - top,), which) for which in (0, 1)]
            np.argmax(a[rows], axis=1, out=places[0])
            np.argmax(y[rows], axis=1, out=places[1])
            same = np.equal(places[0], places[1], out=work.truths(places[0].shape))
            correct += int(np.count_nonzero(same))
        return correct

    forward_layer_ = Backend.forward_layer_
    backward_layer_ = Backend.backward_layer_


def _add_times(total: np.ndarray, x: np.ndarray, factor: float, keep: float) -> None:
    """total := keep * total + factor * x; x is spoilt."""
    for values, number in ((total, keep), (x, factor)):
        if number != 1:
            np.multiply(values, work.number(number, values.dtype), out=values)
    np.add(total, x, out=total)


def _weigh(t: np.ndarray, weights: np.ndarray | None, tile: tuple[slice, slice]) -> None:
    """t := each row of a tile times its weight; a column of the weights is no copy."""
    if weights is not None:
        for row, weight in zip(t, weights[tile[0]], strict=True):
            np.multiply(row, work.number(float(weight), t.dtype), out=row)
