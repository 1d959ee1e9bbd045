"""The CuPy backend's elementwise kernels: one launch each, in place, no temporaries.

A thread has one column, and goes down the rows where there are more of them than a grid can have. Arrays are row-major
with leading dimensions, so some columns of a matrix are taken where they are. Every value is computed from its own
place alone: results don't depend on the shape of the grid, and are the same bits from run to run.

NaN stays NaN, through ReLU too.
"""

from typing import Any

from backend.cupy.kernels.layout import item_of, row_major, same_shape, side_by_side, vector
from backend.cupy.kernels.source import block_of, function
from backend.errors import BackendError

ACTIVATIONS = {"identity": 0, "sigmoid": 1, "tanh": 2, "relu": 3}
"""The elementwise activations, by the numbers that the source knows them by."""

MOST_BLOCKS_DOWN = 65535
"""CUDA's limit on the second dimension of a grid."""

SOURCE = r"""
#define COLUMN ((long long)blockIdx.x * blockDim.x + threadIdx.x)
#define FOR_ROWS(i, rows) for (long long i = (long long)blockIdx.y * blockDim.y + threadIdx.y; i < (rows); \
                               i += (long long)gridDim.y * blockDim.y)

__device__ inline Item activate(Item x, long long activation) {
    if (activation == 1) {
        Item e = EXP(x < 0 ? x : -x);                       // never overflows
        return (x < 0 ? e : (Item)1) / ((Item)1 + e);
    }
    if (activation == 2) return TANH(x);
    if (activation == 3) return x < 0 ? (Item)0 : x;        // NaN is not below 0, and stays
    return x;
}

// d times the derivative of the activation, as a function of its output x. Written as products, so that it is as near
// where x is almost 1 as elsewhere, whether or not the compiler joins a product and a sum.
__device__ inline Item times_derivative(Item d, Item x, long long activation) {
    if (activation == 1) return d * (x * ((Item)1 - x));
    if (activation == 2) return d * (((Item)1 - x) * ((Item)1 + x));
    if (activation == 3) return x <= 0 ? (Item)0 : d;
    return d;
}

extern "C" __global__ void add_bias_activate(
        Item* z, long long z_leading, const Item* b, long long rows, long long columns, long long activation) {
    long long j = COLUMN;
    if (j >= columns) return;
    Item bias = b[j];
    FOR_ROWS(i, rows) z[i * z_leading + j] = activate(z[i * z_leading + j] + bias, activation);
}

extern "C" __global__ void output_delta(
        Item* a, long long a_leading, const Item* y, long long y_down, long long y_along,
        long long rows, long long columns, long long activation) {
    long long j = COLUMN;
    if (j >= columns) return;
    FOR_ROWS(i, rows) {
        Item x = a[i * a_leading + j];
        a[i * a_leading + j] = times_derivative(x - y[i * y_down + j * y_along], x, activation);
    }
}

extern "C" __global__ void hidden_delta(
        Item* a, long long a_leading, long long first, const Item* d, long long d_leading,
        long long rows, long long columns, long long activation) {
    long long j = COLUMN;
    if (j >= columns) return;
    FOR_ROWS(i, rows) {
        Item* x = a + i * a_leading + first + j;
        *x = times_derivative(d[i * d_leading + j], *x, activation);
    }
}

extern "C" __global__ void apply_gradient(
        Item* w, long long w_leading, const Item* g, long long g_leading,
        long long rows, long long columns, double rate) {
    long long j = COLUMN;
    if (j >= columns) return;
    Item r = (Item)rate;
    FOR_ROWS(i, rows) w[i * w_leading + j] -= r * g[i * g_leading + j];
}

extern "C" __global__ void apply_momentum(
        Item* w, long long w_leading, Item* v, long long v_leading, const Item* g, long long g_leading,
        long long rows, long long columns, double rate, double momentum) {
    long long j = COLUMN;
    if (j >= columns) return;
    Item r = (Item)rate, m = (Item)momentum;
    FOR_ROWS(i, rows) {
        Item velocity = m * v[i * v_leading + j] - r * g[i * g_leading + j];
        v[i * v_leading + j] = velocity;
        w[i * w_leading + j] += velocity;
    }
}
"""


def activation_number(activation: str) -> int:
    """The number of an elementwise activation; raises `ValueError` for softmax and for what is none."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is not elementwise; choose {' or '.join(ACTIVATIONS)}")
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
    function(SOURCE, item, name)(grid, (along, down), arguments)
