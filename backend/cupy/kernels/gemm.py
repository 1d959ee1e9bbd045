"""The one place that multiplies: out := alpha a b + beta out, with no copy of any matrix.

Matrices may be transposed, or parts of others. `cupy.matmul` copies a column slice; given leading dimensions, cuBLAS
takes it as it is. Nothing is allocated. On one GPU with one cuBLAS, the same shapes and strides give the same bits.
"""

from typing import Any

from backend.cupy.kernels.cublas import cublas_handle, scalar
from backend.cupy.kernels.layout import item_of, leading_dimension, row_major
from backend.errors import BackendError


def gemm(a: Any, b: Any, *, out: Any, alpha: float = 1.0, beta: float = 0.0, tf32: bool = False) -> None:
    """out := alpha * a @ b + beta * out. With beta = 0 what `out` holds is not read, NaN or not.

    With `tf32`, factors of float32 are rounded to TF32 where the GPU has it; see `mlp.precision`.

    `out` is row-major, `a` and `b` are row-major or transposes of row-major matrices, all of one dtype; see
    `backend.cupy.kernels.layout`. Raises `BackendError` for others: nothing is copied to make them fit.
    """
    item = item_of(a, b, out)
    rows, columns, out_leading = row_major(out)
    if a.ndim != 2 or b.ndim != 2 or (a.shape[0], *b.shape) != (rows, a.shape[1], columns):
        raise BackendError(f"shapes {a.shape} @ {b.shape} don't give the output's {out.shape}")
    if out.size == 0:
        return
    (a_op, a_leading), (b_op, b_leading) = _as_stored(a), _as_stored(b)
    # cuBLAS is column-major: to it each row-major matrix is its transpose, so out' := b' a'.
    cublas_handle(tf32=tf32).gemm(
        item, (b_op, a_op), (columns, rows, a.shape[1]),
        scalar(item, alpha), b.data.ptr, b_leading, a.data.ptr, a_leading,
        scalar(item, beta), out.data.ptr, out_leading,
    )  # fmt: skip


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
