"""The one place that multiplies: out := alpha a b + beta out, with no copy of any matrix.

In a watched step the factors that follow from its rate are read on the device, see `watch.cuh`.

Matrices may be transposed, or parts of others. `cupy.matmul` copies a column slice; given leading dimensions, cuBLAS
takes it as it is. Nothing is allocated. On one GPU with one cuBLAS, the same shapes and strides give the same bits.
"""

from typing import Any

from backend.cupy.kernels.cublas import cublas_handle, scalar
from backend.cupy.kernels.launching import StepRate, WatchedStep, here, multiply
from backend.cupy.kernels.layout import item_of, leading_dimension, row_major
from backend.errors import BackendError


def gemm(a: Any, b: Any, *, out: Any, alpha: float = 1.0, beta: float = 0.0, tf32: bool = False) -> None:
    """out := alpha * a @ b + beta * out. With beta = 0 what `out` holds is not read, NaN or not.

    With `tf32`, factors of float32 are rounded to TF32 where the GPU has it; see `mlp.precision`.

    `out` is row-major, `a` and `b` are row-major or transposes of row-major matrices, all of one dtype; see
    `backend.cupy.kernels.layout`. An `alpha` that is less the rate of the watched step, and then `beta` too, are read
    on the device, where the layer's `sum_rows` has put `beta`. Raises `BackendError` for others: nothing is copied to
    make them fit.
    """
    item = item_of(a, b, out)
    rows, columns, out_leading = row_major(out)
    if a.ndim != 2 or b.ndim != 2 or (a.shape[0], *b.shape) != (rows, a.shape[1], columns):
        raise BackendError(f"shapes {a.shape} @ {b.shape} don't give the output's {out.shape}")
    if out.size == 0:
        return
    (a_op, a_leading), (b_op, b_leading) = _as_stored(a), _as_stored(b)
    # cuBLAS is column-major: to it each row-major matrix is its transpose, so out' := b' a'.
    on_device = here.watched is not None and isinstance(alpha, StepRate)
    factors = _factors_of(here.watched, alpha, beta) if on_device else (scalar(item, alpha), scalar(item, beta))
    multiply(
        cublas_handle(tf32=tf32, on_device=on_device), item,
        (
            b_op, a_op, columns, rows, a.shape[1],
            factors[0], b.data.ptr, b_leading, a.data.ptr, a_leading, factors[1], out.data.ptr, out_leading,
        ),
    )  # fmt: skip


def _factors_of(step: WatchedStep | None, alpha: float, beta: float) -> tuple[int, int]:
    """Where on the device the factors of a watched step are."""
    if step is None or not isinstance(alpha, StepRate) or not alpha.is_negative or beta != step.keep:
        raise AssertionError(f"a step multiplies by less its rate, and keeps what its sum does; got {alpha}, {beta}")
    return step.minus_rate_address, step.keep_address


def _as_stored(x: Any) -> tuple[int, int]:
    """cuBLAS's operation and leading dimension for `x`: 0, as it is, or 1, transposed, seen row-major."""
    leading = leading_dimension(x)
    if leading is not None:
        return 0, leading
    leading = leading_dimension(x.T)
    if leading is None:
        raise BackendError(
            f"a factor must be row-major or transposed, so that nothing is copied; got shape {x.shape}, strides "
            f"{x.strides}"
        )
    return 1, leading
