"""The CuPy backend's elementwise kernels: one launch each, in place, no temporaries. See `elementwise.cu`.

Arrays are row-major with leading dimensions, so some columns of a matrix are taken where they are.
"""

from typing import Any

from backend.cupy.kernels.layout import item_of, row_major, same_shape, side_by_side, vector
from backend.cupy.kernels.source import block_of, function
from backend.errors import BackendError
from backend.formulas import ACTIVATIONS

ELEMENTWISE = ("identity", "sigmoid", "tanh", "relu")
"""The activations that are computed value by value."""


MOST_BLOCKS_DOWN = 65535
"""CUDA's limit on the second dimension of a grid."""


def activation_number(activation: str) -> int:
    """The number of an elementwise activation; raises `ValueError` for softmax and for an unknown name."""
    if activation not in ELEMENTWISE:
        raise ValueError(f"activation {activation!r} is not elementwise; choose {' or '.join(ELEMENTWISE)}")
    return ACTIVATIONS[activation]


def add_bias_activate(z: Any, b: Any, activation: str) -> None:
    """z := activation(z + b), for an elementwise activation."""
    rows, columns, leading = row_major(z)
    vector(b, columns)
    arguments = (z, leading, b, rows, columns, activation_number(activation))
    _launch("add_bias_activate", item_of(z, b), rows, columns, arguments)


def output_delta(a: Any, y: Any, activation: str) -> None:
    """a := (a - y) * activation'(a), or a - y for softmax; `y` may have any strides."""
    rows, columns, leading = row_major(a)
    same_shape(a, y)
    number = activation_number("identity" if activation == "softmax" else activation)
    down, along = (stride // y.itemsize for stride in y.strides)
    _launch("output_delta", item_of(a, y), rows, columns, (a, leading, y, down, along, rows, columns, number))


def hidden_delta(a: Any, d: Any, activation: str, columns: slice) -> None:
    """a[:, columns] := d * activation'(a[:, columns])."""
    a_rows, a_columns, a_leading = row_major(a)
    rows, width, d_leading = row_major(d)
    first, stop, step = columns.indices(a_columns)
    if (rows, width, step) != (a_rows, stop - first, 1):
        raise BackendError(f"columns {columns} of shape {a.shape} cannot take the error of shape {d.shape}")
    arguments = (a, a_leading, first, d, d_leading, rows, width, activation_number(activation))
    _launch("hidden_delta", item_of(a, d), rows, width, arguments)


def apply_gradient(w: Any, g: Any, rate: float) -> None:
    """w -= rate * g."""
    rows, columns, (lw, lg) = side_by_side(w, g)
    _launch("apply_gradient", item_of(w, g), rows, columns, (w, lw, g, lg, rows, columns, float(rate)))


def apply_momentum(w: Any, v: Any, g: Any, rate: float, momentum: float) -> None:
    """v := momentum * v - rate * g, then w += v."""
    rows, columns, (lw, lv, lg) = side_by_side(w, v, g)
    arguments = (w, lw, v, lv, g, lg, rows, columns, float(rate), float(momentum))
    _launch("apply_momentum", item_of(w, v, g), rows, columns, arguments)


def _launch(name: str, item: str, rows: int, columns: int, arguments: tuple[Any, ...]) -> None:
    if rows == 0 or columns == 0:
        return
    along, down = block_of(columns)
    grid = (-(-columns // along), min(-(-rows // down), MOST_BLOCKS_DOWN))
    function("elementwise", item, name)(grid, (along, down), arguments)
