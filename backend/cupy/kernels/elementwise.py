"""The CuPy backend's elementwise kernels: one launch each, in place, no temporaries. See `elementwise.cu`.

Arrays are row-major with leading dimensions, so some columns of a matrix are taken where they are. A thread takes 16
bytes at once where every row begins at a multiple of 16 bytes.
"""

from typing import Any

from backend.cupy.kernels.launching import by_value, noted, refusing, run
from backend.cupy.kernels.layout import item_of, leading_dimension, row_major, same_shape, side_by_side, vector
from backend.cupy.kernels.source import block_of, function, values_at_once
from backend.errors import BackendError
from backend.formulas import ACTIVATIONS

ELEMENTWISE = tuple(name for name in ACTIVATIONS if name != "softmax")
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
    item, number = item_of(z, b), activation_number(activation)
    rows, columns, leading = row_major(z)
    vector(b, columns)
    values = values_at_once(item, rows, (z.data.ptr, leading), (b.data.ptr, 0))
    launch("add_bias_activate", item, values, rows, columns, (z, leading, b), (number, *noted()))


def output_delta(a: Any, y: Any, activation: str) -> None:
    """a := (a - y) * activation'(a), or a - y for softmax; `y` may have any strides."""
    item, number = item_of(a, y), activation_number("identity" if activation == "softmax" else activation)
    rows, columns, leading = row_major(a)
    same_shape(a, y)
    y_leading = leading_dimension(y)
    if y_leading is None:
        down, along = (stride // y.itemsize for stride in y.strides)
        launch("output_delta_strided", item, 1, rows, columns, (a, leading, y, down, along), (number, *noted()))
        return
    values = values_at_once(item, rows, (a.data.ptr, leading), (y.data.ptr, y_leading))
    launch("output_delta", item, values, rows, columns, (a, leading, y, y_leading), (number, *noted()))


def hidden_delta(a: Any, d: Any, activation: str, columns: slice) -> None:
    """a[:, columns] := d * activation'(a[:, columns])."""
    item, number = item_of(a, d), activation_number(activation)
    a_rows, a_columns, a_leading = row_major(a)
    rows, width, d_leading = row_major(d)
    first, stop, step = columns.indices(a_columns)
    if (rows, width, step) != (a_rows, stop - first, 1):
        raise BackendError(f"columns {columns} of shape {a.shape} cannot take the error of shape {d.shape}")
    address = a.data.ptr + first * a.itemsize
    values = values_at_once(item, rows, (address, a_leading), (d.data.ptr, d_leading))
    launch("hidden_delta", item, values, rows, width, (address, a_leading, d, d_leading), (number, *refusing(0)[:2]))


def scale_rows(d: Any, weights: Any) -> None:
    """d := each row times its weight."""
    item = item_of(d, weights)
    rows, columns, leading = row_major(d)
    vector(weights, rows)
    values = values_at_once(item, rows, (d.data.ptr, leading))
    launch("scale_rows", item, values, rows, columns, (d, leading, weights), noted())


def divide_bytes(a: Any, numbers: Any, divisor: float) -> None:
    """a := numbers / divisor, of `numbers` in uint8."""
    if numbers.dtype.char != "B":
        raise BackendError(f"numbers to divide must be uint8; got {numbers.dtype}")
    item = item_of(a)
    rows, columns, (la, ln) = side_by_side(a, numbers)
    values = values_at_once(item, rows, (a.data.ptr, la))
    if numbers.data.ptr % values or (rows > 1 and ln % values):
        values = 1
    launch("divide_bytes", item, values, rows, columns, (a, la, numbers, ln), (float(divisor),))


def apply_gradient(w: Any, g: Any, rate: float) -> None:
    """w -= rate * g."""
    item = item_of(w, g)
    rows, columns, (lw, lg) = side_by_side(w, g)
    values = values_at_once(item, rows, (w.data.ptr, lw), (g.data.ptr, lg))
    launch("apply_gradient", item, values, rows, columns, (w, lw, g, lg), (by_value(rate), *refusing(rate)))


def apply_momentum(w: Any, v: Any, g: Any, rate: float, momentum: float) -> None:
    """v := momentum * v - rate * g, then w += v."""
    item = item_of(w, v, g)
    rows, columns, (lw, lv, lg) = side_by_side(w, v, g)
    values = values_at_once(item, rows, (w.data.ptr, lw), (v.data.ptr, lv), (g.data.ptr, lg))
    arrays, numbers = (w, lw, v, lv, g, lg), (float(rate), float(momentum), *refusing(0)[:2])
    launch("apply_momentum", item, values, rows, columns, arrays, numbers)


def launch(
    name: str,
    item: str,
    values: int,
    rows: int,
    columns: int,
    arrays: tuple[Any, ...],
    numbers: tuple[Any, ...],
    source: str = "elementwise",
) -> None:
    """Launch a kernel whose arguments are its arrays, the rows and columns that it goes over, and numbers."""
    if rows == 0 or columns == 0:
        return
    packs = -(-columns // values)
    along, down = block_of(packs)
    grid = (-(-packs // along), min(-(-rows // down), MOST_BLOCKS_DOWN))
    run(function(source, item, name, values), grid, (along, down), (*arrays, rows, columns, *numbers))
