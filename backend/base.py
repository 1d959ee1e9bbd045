"""A backend: an array library, a device, and the in-place kernels that the array API cannot express.

Everything in `Backend` is written in array-API calls alone. That makes it the reference for the faster backends, and
lets any conforming namespace train a network. Its kernels may hold temporaries; those of the NumPy and CuPy backends
hold none, which makes their bytes predictable.

Arrays are called after their mathematics. Matrices are row-major, a row a sample: `a` and `d` are (rows, features).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from backend import formulas, rules
from backend.dropping import Drop, dropped
from backend.errors import MeterError
from backend.facts import Facts
from backend.formulas import Array
from backend.memory import DeviceMemory, Usage
from backend.rules import RuleNumbers
from backend.totals import CostTotal
from backend.uploads import Uploads


class Backend:
    """An array library (`xp`), a device, and kernels. This class is the reference; see `select_backend`.

    `name` is what `select_backend` takes, and `facts` what a prediction of this backend's bytes rests on.
    """

    facts = Facts()

    threads: int | None = None
    """The host's threads that kernels run on; None where another device computes."""

    whole_steps: Any = None
    """What runs a whole step in one call; None where operations are called one by one."""

    measuring = False
    """Whether a `measure` block is open."""

    def __init__(self, name: str, xp: Any, device: Any = None) -> None:
        self.name = name
        self.xp = xp
        self.device = device

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, device={str(self.device)!r})"

    @property
    def variant(self) -> str:
        """This backend's row of `FACTS`: its name, except for NumPy without compiled kernels."""
        return self.name

    @property
    def device_name(self) -> str:
        """The device's name, for reports."""
        return str(self.device)

    def prepare(self, sizes: Iterable[int], dtype: str) -> None:
        """Make ready what steps of layers of these widths need, so that none of them waits for it."""

    # Arrays in and out

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        """`x` as an array of this backend, on its device; copied only where that is necessary."""
        return self.xp.asarray(x, dtype=None if dtype is None else self.dtype(dtype), device=self.device)

    def to_numpy(self, a: Array) -> np.ndarray:
        """`a` on the host, as a NumPy array; a NumPy array is returned as it is."""
        return a if isinstance(a, np.ndarray) else np.from_dlpack(a, device="cpu")

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array, row-major, its values not set."""
        return self.xp.empty(shape, dtype=self.dtype(dtype), device=self.device)

    def empties(self, shapes: Iterable[tuple[int, ...]], dtype: str) -> list[Array]:
        """New row-major arrays of these shapes, for values that are used together and for a long time."""
        return [self.empty(shape, dtype) for shape in shapes]

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array of zeros, row-major."""
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

    def arena(self, values: int, dtype: str) -> Array:
        """A vector of `values` values that the arrays of a step lie in. `measure` counts those arrays, not the vector.

        Whoever puts an array there, or takes it away, says so by `place`.
        """
        return self.empty((values,), dtype)

    def dtype(self, name: str) -> Any:
        """The namespace's own object for "float32" or "float64"."""
        return getattr(self.xp, name)

    def dtype_name(self, a: Array) -> str:
        """The name of `a`'s dtype, such as "float32"."""
        return str(a.dtype).rsplit(".", 1)[-1]

    def owns(self, x: Any) -> bool:
        """Whether `x` is an array of this backend's library."""
        return isinstance(x, type(self.xp.empty(0, device=self.device)))

    def is_row_major(self, a: Array) -> bool:
        """Whether each row of the matrix `a` lies in memory without gaps, as the kernels require."""
        return True

    def take_rows(self, a: Array, rows: np.ndarray) -> Array:
        """A new array (k, features) of the rows of the matrix `a` that `rows` (k,) lists by number, in its order.

        Raises `IndexError` for a row number outside the matrix.
        """
        if len(rows) and not 0 <= rows.min() <= rows.max() < a.shape[0]:  # a device would wrap, or read elsewhere
            raise IndexError(f"rows must be from 0 to {a.shape[0] - 1}; got {rows.min()} to {rows.max()}")
        return self.xp.take(a, self.asarray(rows), axis=0)

    def uploads(self) -> Uploads | None:
        """Copies of mini-batches to the device ahead of their use; None where that gains nothing."""
        return None

    def synchronize(self) -> None:
        """Wait until the device has done all work begun."""

    # Memory

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure the array bytes of a block: `with backend.measure() as usage: ...`, then `usage.peak_bytes`."""
        raise MeterError(f"the {self.name} backend has no meter; measure on numpy or cupy")
        yield Usage()

    def place(self, size: int, *, end: int = 0) -> None:
        """Have `measure` count `size` bytes more in use, or fewer below 0; they reach to byte `end` of an arena."""

    def device_memory(self) -> DeviceMemory | None:
        """What the device's memory is used for now; None where arrays lie in the host's memory."""
        return None

    def protect(self, a: Array) -> None:
        """Ask that `a` be read-only until `release`; backends that cannot do so do nothing."""

    def release(self, a: Array) -> None:
        """Let `a` be written to again."""

    # Kernels. Each writes its first argument, or `out`, and nothing else.

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

    def scale_rows_(self, d: Array, weights: Array) -> None:
        """d := each row of the matrix d times its weight (rows,)."""
        d *= self.xp.reshape(weights, (d.shape[0], 1))

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

    # A layer's steps, made of these kernels; a backend may have one kernel for a whole step.

    def forward_layer_(
        self,
        a: Array,
        W: Array,
        b: Array,
        activation: str,
        *,
        out: Array,
        soon: Array | None = None,
        drop: Drop | None = None,
    ) -> bool:
        """out := activation(a W + b): `a` (rows, n_in), `W` (n_in, n_out), `b` (n_out,), `out` (rows, n_out).

        Returns False where the backend has seen that a value is not finite; one that does not look returns True.
        `soon` is the array needed next: a backend may prefetch it, or ignore it. `drop`: which outputs are set to 0.
        """
        self.matmul(a, W, out=out)
        self.add_bias_activate_(out, b, activation)
        if drop is not None:
            self.drop_(out, drop)
        return True

    def backward_layer_(
        self,
        a: Array,
        delta: Array,
        W: Array,
        activation: str | None,
        *,
        first: int,
        weight: Array,
        bias: Array | None,
        onto: bool = False,
        factor: float = 1.0,
        keep: float = 1.0,
        piece: Array | None = None,
        soon: tuple[Array | None, Array | None] = (None, None),
        drop: Drop | None = None,
    ) -> None:
        """A layer's gradient for c of its inputs, those from `first` on, and then the error of the layer below.

        `a` (rows, n_in), `delta` (rows, n_out), `W` (n_in, n_out). `weight` (c, n_out) becomes a[:, first:first+c]'
        delta and `bias` (n_out,) the sum of delta's rows; with `onto`, `factor` times these are added onto `keep` times
        what is there. None for `bias` omits it.

        `activation` is the layer below's: those columns of `a`, its output, become its error in place. None leaves `a`
        as it is: it is the input. `piece` is scratch memory for some rows of the error, a vector of a multiple of c
        values; backends whose facts say `error_in_place` need none.
        `soon` are the arrays needed next: a backend may prefetch them, or ignore them. `drop` is what was dropped of
        `a`, whose error is 0.
        """
        width = weight.shape[0]
        columns = slice(first, first + width)
        if bias is not None:
            self.sum_rows(delta, out=bias, onto=onto, factor=factor, keep=keep)
        if onto:
            self.add_product_(weight, a[:, columns].T, delta, factor=factor, keep=keep)
        else:
            self.matmul(a[:, columns].T, delta, out=weight)
        if activation is None:
            return
        if piece is None:
            piece = self.empty((delta.shape[0] * width,), self.dtype_name(a))
        rows, Wt = piece.shape[0] // width, W[columns, :].T
        for start in range(0, delta.shape[0], rows):
            chunk = slice(start, min(start + rows, delta.shape[0]))
            d = self.xp.reshape(piece[: (chunk.stop - start) * width], (chunk.stop - start, width))
            self.matmul(delta[chunk, :], Wt, out=d)
            if drop is not None:  # the slope is that of the whole output
                self.drop_(a[chunk, :], drop.from_row(start), columns, undo=True)
            self.hidden_delta_(a[chunk, :], d, activation, columns)
            if drop is not None:
                self.drop_(a[chunk, :], drop.from_row(start), columns)

    def backward_onto_weights_(
        self,
        a: Array,
        delta: Array,
        W: Array,
        b: Array | None,
        activation: str | None,
        *,
        first: int,
        width: int,
        rate: float,
        piece: Array | None = None,
        drop: Drop | None = None,
    ) -> None:
        """`backward_layer_`, with `rate` times the gradient taken off the weights of those c = `width` inputs at once.

        No gradient is held. As the weights change, the whole error of those inputs is made before, in `piece`, a vector
        of rows * c values; None for `activation` needs none. `b` changes as the weights do, and is left alone for None.
        """
        columns = slice(first, first + width)
        weights = W[columns, :]
        if activation is not None:
            size = delta.shape[0] * width
            piece = self.empty((size,), self.dtype_name(a)) if piece is None else piece[:size]
            d = self.xp.reshape(piece, (delta.shape[0], width))
            self.matmul(delta, weights.T, out=d)
        if b is not None:
            self.sum_rows(delta, out=b, onto=True, factor=-rate)
        self.add_product_(weights, a[:, columns].T, delta, factor=-rate)
        if activation is None:
            return
        if drop is not None:
            self.drop_(a, drop, columns, undo=True)
        self.hidden_delta_(a, d, activation, columns)
        if drop is not None:
            self.drop_(a, drop, columns)

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
