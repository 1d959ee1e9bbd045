"""The kernels of a backend: operations in place, which the array API cannot express.

A kernel whose name ends in `_` writes its first argument, and the rules what they keep; others write `out`, or return
their result. Arrays are called after their mathematics. Matrices are row-major, a row a sample: `a` and `d` are
(rows, features).
"""

from collections.abc import Sequence

import numpy as np

from backend import formulas, rules
from backend.arrays import Arrays
from backend.dropping import Drop, dropped
from backend.formulas import Array
from backend.halves import HALF, narrowed, widened
from backend.rules import RuleNumbers
from backend.totals import CostTotal


class Kernels(Arrays):
    """Arrays, and kernels for them that are written in array-API calls alone."""

    def matmul(self, a: Array, b: Array, *, out: Array) -> None:
        """out := a @ b. `a` and `b` may be transposed, or some columns of a row-major matrix."""
        out[...] = self.xp.matmul(a, b)

    def add_product_(self, total: Array, a: Array, b: Array, *, factor: float = 1.0, keep: float = 1.0) -> None:
        """total := keep * total + factor * a @ b, of matrices as `matmul` takes them."""
        total *= keep
        total += factor * self.xp.matmul(a, b)

    def add_bias_activate_(self, z: Array, b: Array, activation: str) -> None:
        """z := activation(z + b), with `b` (features,) added to every row. "softmax" is along each row."""
        z += b
        formulas.activate_(self.xp, z, activation)

    def output_delta_(self, a: Array, y: Array, activation: str) -> None:
        """a := the output error, (a - y) * activation'(a); a - y for "softmax"."""
        a[...] = formulas.output_delta(self.xp, a, y, activation)

    def hidden_delta_(self, a: Array, d: Array, activation: str, columns: slice = slice(None)) -> None:
        """a[:, columns] := d * activation'(a[:, columns]): a layer's output becomes its error, in place."""
        a[:, columns] = formulas.times_derivative(self.xp, d, a[:, columns], activation)

    def drop_(self, a: Array, drop: Drop, columns: slice = slice(None), *, undo: bool = False) -> None:
        """Set the dropped outputs among those columns of a layer's output `a` to 0, and divide the rest by their share.

        `undo` multiplies the rest by it again. See `backend.dropping`.
        """
        columns = slice(*columns.indices(a.shape[1])[:2])
        kept = np.where(dropped(drop, a.shape[0], columns), 0, drop.factor(undo=undo))
        a[:, columns] *= self.asarray(kept, self.dtype_name(a))

    def as_halves(self, values: Array, shape: tuple[int, ...]) -> Array:
        """An array of bits of two bytes each, in the memory of a float32 vector that has room for them.

        In memory of its own here: the array API has no other view of an array's bits.
        """
        return self.empty(shape, HALF)

    def narrow_(self, halves: Array, x: Array, kind: str) -> None:
        """halves := the nearest numbers to the float32 `x` in format `kind`, as uint16. See `backend.halves`."""
        halves[...] = self.asarray(narrowed(self.to_numpy(x), kind))

    def widen_(self, x: Array, halves: Array, kind: str) -> None:
        """x := the float32 numbers that `halves` keeps in format `kind`."""
        x[...] = self.asarray(widened(self.to_numpy(halves), kind))

    def scale_rows_(self, d: Array, weights: Array) -> None:
        """d := each row of the matrix d times its weight (rows,)."""
        d *= self.xp.reshape(weights, (d.shape[0], 1))

    def divide_bytes_(self, a: Array, numbers: Array, divisor: float) -> None:
        """a := numbers / divisor, of `numbers` (uint8, of a's shape); each quotient is rounded once, to a's dtype."""
        a[...] = self.xp.astype(numbers, a.dtype) / divisor

    def sum_rows(self, d: Array, *, out: Array, onto: bool = False, factor: float = 1.0, keep: float = 1.0) -> None:
        """out := the sum of `d`'s rows, a bias's gradient; or with `onto`, out := keep * out + factor * that sum."""
        total = self.xp.sum(d, axis=0)
        out[...] = keep * out + factor * total if onto else total

    def apply_gradient_(self, w: Array, g: Array, rate: float) -> None:
        """w -= rate * g."""
        w -= rate * g

    def apply_momentum_(self, w: Array, v: Array, g: Array, rate: float, momentum: float) -> None:
        """v := momentum * v - rate * g, then w += v."""
        v *= momentum
        v -= rate * g
        w += v

    def apply_rule_(self, w: Array, g: Array, kept: Sequence[Array], rule: str, numbers: RuleNumbers) -> None:
        """Change `w` by its gradient `g`, and the arrays `kept` from step to step, by a rule of `backend.rules`.

        `numbers.clip` is not looked at: `clipped` makes other numbers, by the norm of the layer's whole gradient.
        """
        rules.apply_rule(self.xp, w, g, kept, rule, numbers)

    def gradient_norm(self, weight: Array, bias: Array) -> float:
        """The norm of a layer's gradient, the weights' and the bias's together."""
        return rules.gradient_norm(self.xp, weight, bias)

    def all_finite(self, v: Array) -> bool:
        """Whether no value of `v`, a vector or a row-major matrix, is NaN or infinite."""
        return bool(self.xp.all(self.xp.isfinite(v)))

    # What is reported of a network's output

    def cost_sum(self, a: Array, y: Array, cost: str, weights: Array | None = None) -> float:
        """The cost summed over the rows, each times its weight (rows,); see `backend.formulas.cost_sum`."""
        return formulas.cost_sum(self.xp, a, y, cost, weights)

    def cost_total(self) -> CostTotal:
        """A sum of costs, 0 at first, that steps add to without waiting for it."""
        return CostTotal(self.cost_sum)

    def count_correct(self, a: Array, y: Array) -> int:
        """The number of rows in which `a` and `y` have their largest value in the same column."""
        return formulas.count_correct(self.xp, a, y)
