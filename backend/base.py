"""A backend: an array library, a device, and the in-place kernels that the array API cannot say.

Everything in `Backend` is written in array-API calls alone. That makes it the reference which the faster backends are
compared with, and lets any conforming namespace train a network. Its kernels may hold temporaries; those of the NumPy
and CuPy backends hold none, which is what makes their bytes predictable.

Arrays are called after their mathematics. Matrices are row-major, a row a sample: `a` and `d` are (rows, features).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backend.device_memory import DeviceMemory
from backend.errors import MeterError
from backend.memory import Usage
from backend.uploads import Uploads

Array = Any
"""An array of the backend's namespace."""

SUMMED_ROWS = 64
"""Rows that `cost_sum` takes at a time in the reference, so that its temporaries stay small."""


class Backend:
    """An array library (`xp`), a device, and kernels. This class is the reference; see `select_backend`.

    `name` is what `select_backend` takes; `allocation_bytes` is the unit that each allocation is rounded up to, the
    one number about a backend which a prediction of bytes needs.
    """

    allocation_bytes = 1

    keeps_freed_memory = False
    """Whether freed memory is kept and handed out again by the library itself."""

    asynchronous = False
    """Whether the host runs ahead of the device, so that to ask for a value is to wait for all that was begun."""

    error_in_place = False
    """Whether `backward_layer_` turns an activation into the error without a piece of it apart."""

    chunk_rows: int | None = None
    """Rows of the batch whose part of a gradient is summed at once, where sums of chunks are added up one by one: row
    blocks that begin at multiples of so many give the same bits as the whole. None where sums have another order."""

    threads: int | None = None
    """How many threads of the host the kernels work on; None where it is not the host that computes."""

    measuring = False
    """Whether a `measure` block is open."""

    def __init__(self, name: str, xp: Any, device: Any = None) -> None:
        self.name = name
        self.xp = xp
        self.device = device

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, device={str(self.device)!r})"

    @property
    def device_name(self) -> str:
        """What the device is called, for reports."""
        return str(self.device)

    def prepare(self, sizes: Iterable[int], dtype: str) -> None:
        """Have ready what the steps of layers of such widths need, so that none of them waits for it."""

    # Arrays in and out

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        """`x` as an array of this backend, on its device; a copy only where one is needed."""
        return self.xp.asarray(x, dtype=None if dtype is None else self.dtype(dtype), device=self.device)

    def to_numpy(self, a: Array) -> np.ndarray:
        """`a` on the host, as a NumPy array; NumPy's own arrays come back as they are."""
        return a if isinstance(a, np.ndarray) else np.from_dlpack(a, device="cpu")

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array, row-major, its values not set."""
        return self.xp.empty(shape, dtype=self.dtype(dtype), device=self.device)

    def empties(self, shapes: Iterable[tuple[int, ...]], dtype: str) -> list[Array]:
        """New arrays of these shapes, row-major, for values that are used together and for long."""
        return [self.empty(shape, dtype) for shape in shapes]

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array of zeros, row-major."""
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

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
        """Whether the rows of the matrix `a` lie in memory without gaps inside a row, as the kernels want them."""
        return True

    def take_rows(self, a: Array, rows: np.ndarray) -> Array:
        """The rows of the matrix `a` that `rows` (k,) numbers from 0, in its order: a new array (k, features).

        Raises `IndexError` for a row that there isn't.
        """
        if len(rows) and not 0 <= rows.min() <= rows.max() < a.shape[0]:  # a device would wrap, or read elsewhere
            raise IndexError(f"rows must be from 0 to {a.shape[0] - 1}; got {rows.min()} to {rows.max()}")
        return self.xp.take(a, self.asarray(rows), axis=0)

    def uploads(self) -> Uploads | None:
        """What takes mini-batches to the device ahead of their use; None where there is nothing to gain by that."""
        return None

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked to."""

    # Memory

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure the array bytes of a block: `with backend.measure() as usage: ...`, then `usage.peak_bytes`."""
        raise MeterError(f"the {self.name} backend has no meter; measure on numpy or cupy")
        yield Usage()

    def device_memory(self) -> DeviceMemory | None:
        """What the device's memory is used for now; None where arrays lie in the host's."""
        return None

    def protect(self, a: Array) -> None:
        """Ask that `a` cannot be written to until `release`; a backend that cannot do so does nothing."""

    def release(self, a: Array) -> None:
        """Let `a` be written to again."""

    # Kernels. Each writes its first argument, or `out`, and nothing else.

    def matmul(self, a: Array, b: Array, *, out: Array) -> None:
        """out := a @ b. `a` and `b` may be transposed, or hold some columns of a row-major matrix."""
        out[...] = self.xp.matmul(a, b)

    def add_bias_activate_(self, z: Array, b: Array, activation: str) -> None:
        """z := activation(z + b), with `b` (features,) added to every row. "softmax" is along each row."""
        xp = self.xp
        z += b
        if activation == "sigmoid":
            e = xp.exp(-xp.abs(z))  # never overflows
            z[...] = xp.where(z < 0, e, xp.ones_like(e)) / (1 + e)
        elif activation == "tanh":
            z[...] = xp.tanh(z)
        elif activation == "relu":
            z[...] = xp.where(z < 0, xp.zeros_like(z), z)
        elif activation == "softmax":
            z -= xp.max(z, axis=1, keepdims=True)
            z[...] = xp.exp(z)
            z /= xp.sum(z, axis=1, keepdims=True)
        elif activation != "identity":
            raise ValueError(f"unknown activation {activation!r}")

    def times_derivative(self, d: Array, a: Array, activation: str) -> Array:
        """d times the derivative of an elementwise activation, as a function of its output `a`."""
        if activation == "sigmoid":
            return d * (a * (1 - a))
        if activation == "tanh":
            return d * ((1 - a) * (1 + a))
        if activation == "relu":
            return self.xp.where(a <= 0, self.xp.zeros_like(d), d)
        if activation == "identity":
            return d
        raise ValueError(f"activation {activation!r} has no elementwise derivative")

    def output_delta_(self, a: Array, y: Array, activation: str) -> None:
        """a := the output error, (a - y) * activation'(a).

        For "softmax" it is a - y: the derivative belongs to the cross-entropy cost, which cancels it.
        """
        delta = a - y
        a[...] = delta if activation == "softmax" else self.times_derivative(delta, a, activation)

    def hidden_delta_(self, a: Array, d: Array, activation: str, columns: slice = slice(None)) -> None:
        """a[:, columns] := d * activation'(a[:, columns]): the output of a layer becomes its error, in place."""
        a[:, columns] = self.times_derivative(d, a[:, columns], activation)

    def sum_rows(self, d: Array, *, out: Array, onto: bool = False) -> None:
        """out := the sum of `d`'s rows, a bias's gradient; or with `onto`, out += it."""
        total = self.xp.sum(d, axis=0)
        out[...] = out + total if onto else total

    def add_product_(self, total: Array, a: Array, b: Array) -> None:
        """total += a @ b, of matrices as `matmul` takes them."""
        total += self.xp.matmul(a, b)

    def apply_gradient_(self, w: Array, g: Array, rate: float) -> None:
        """w -= rate * g."""
        w -= rate * g

    def apply_momentum_(self, w: Array, v: Array, g: Array, rate: float, momentum: float) -> None:
        """v := momentum * v - rate * g, then w += v."""
        v *= momentum
        v -= rate * g
        w += v

    # A layer's steps, made of these kernels; a backend may have one kernel for all of a step

    def forward_layer_(
        self, a: Array, W: Array, b: Array, activation: str, *, out: Array, soon: Array | None = None
    ) -> None:
        """out := activation(a W + b): `a` (rows, n_in), `W` (n_in, n_out), `b` (n_out,), `out` (rows, n_out).

        `soon` is an array that is needed next: a backend may fetch it from memory meanwhile, or ignore it.
        """
        self.matmul(a, W, out=out)
        self.add_bias_activate_(out, b, activation)

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
        piece: Array | None = None,
        soon: tuple[Array | None, Array | None] = (None, None),
    ) -> None:
        """The gradient of a layer for c of its inputs, those from `first` on, and then the error of the layer below.

        `a` (rows, n_in), `delta` (rows, n_out), `W` (n_in, n_out). `weight` (c, n_out) becomes a[:, first:first+c]'
        delta, and `bias` (n_out,) the sum of delta's rows; with `onto`, these are added. None for `bias` leaves it out.

        `activation` is that of the layer below: those columns of `a`, its output, become its error in place, `piece`
        holding some rows of it apart: a vector of a multiple of c values, which a backend with `error_in_place` does
        without. None for `activation` leaves `a` as it is: it is the input.
        `soon` are arrays that are needed next: a backend may fetch them from memory meanwhile, or ignore them.
        """
        columns = slice(first, first + weight.shape[0])
        if bias is not None:
            self.sum_rows(delta, out=bias, onto=onto)
        if onto:
            self.add_product_(weight, a[:, columns].T, delta)
        else:
            self.matmul(a[:, columns].T, delta, out=weight)
        if activation is None:
            return
        width = weight.shape[0]
        if piece is None:
            piece = self.empty((delta.shape[0] * width,), self.dtype_name(a))
        rows, Wt = piece.shape[0] // width, W[columns, :].T
        for start in range(0, delta.shape[0], rows):
            chunk = slice(start, min(start + rows, delta.shape[0]))
            d = self.xp.reshape(piece[: (chunk.stop - start) * width], (chunk.stop - start, width))
            self.matmul(delta[chunk, :], Wt, out=d)
            self.hidden_delta_(a[chunk, :], d, activation, columns)

    def all_finite(self, v: Array) -> bool:
        """Whether no value of `v`, a vector or a row-major matrix, is NaN or infinite."""
        return bool(self.xp.all(self.xp.isfinite(v)))

    # What is reported of a network's output

    def cost_sum(self, a: Array, y: Array, cost: str) -> float:
        """The cost summed over the rows: "quadratic", |a - y|^2 / 2, or "cross-entropy", -sum y log a."""
        xp = self.xp
        total = 0.0
        for start in range(0, a.shape[0], SUMMED_ROWS):
            rows = slice(start, min(start + SUMMED_ROWS, a.shape[0]))
            if cost == "quadratic":
                error = a[rows, :] - y[rows, :]
                total += float(xp.sum(error * error)) / 2
            elif cost == "cross-entropy":
                tiny = float(xp.finfo(a.dtype).smallest_normal)
                a_positive = xp.where(a[rows, :] < tiny, xp.full_like(a[rows, :], tiny), a[rows, :])
                total -= float(xp.sum(y[rows, :] * xp.log(a_positive)))
            else:
                raise ValueError(f"unknown cost {cost!r}")
        return total

    def count_correct(self, a: Array, y: Array) -> int:
        """The number of rows in which `a` and `y` have their largest value in the same place."""
        xp = self.xp
        same = xp.argmax(a, axis=1) == xp.argmax(y, axis=1)
        return int(xp.sum(xp.astype(same, xp.int64)))
