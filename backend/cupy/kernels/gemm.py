"""The one place that calls cuBLAS: out := alpha a b + beta out, with no copy of any matrix.

Matrices may be transposed, or parts of others. `cupy.matmul` copies a column slice; given leading dimensions, cuBLAS
takes it as it is. Nothing is allocated in the pool; cuBLAS's own workspace is outside it. float32 stays float32: the
mode is CUBLAS_DEFAULT_MATH, in which sgemm does not use TF32, whatever another library has set on the handle.

On one GPU with one cuBLAS, the same shapes and strides give the same bits. CuPy is imported on first use.
"""

import functools
from typing import Any

import numpy as np

from backend.cupy.kernels.layout import item_of, leading_dimension, row_major
from backend.errors import BackendError


def gemm(a: Any, b: Any, *, out: Any, alpha: float = 1.0, beta: float = 0.0) -> None:
    """out := alpha * a @ b + beta * out. With beta = 0 what `out` holds is not read, NaN or not.

    `out` is row-major, `a` and `b` are row-major or transposes of row-major matrices, all of one dtype; see
    `backend.cupy.kernels.layout`. Raises `BackendError` for others: nothing is copied to make them fit.
    """
    cublas, get_handle = _cublas()
    product = {"float": cublas.sgemm, "double": cublas.dgemm}[item_of(a, b, out)]
    rows, columns, out_leading = row_major(out)
    if a.ndim != 2 or b.ndim != 2 or (a.shape[0], *b.shape) != (rows, a.shape[1], columns):
        raise BackendError(f"shapes {a.shape} @ {b.shape} don't give the output's {out.shape}")
    if out.size == 0:
        return
    (a_op, a_leading), (b_op, b_leading) = _as_stored(a), _as_stored(b)
    factors = np.array([alpha, beta], out.dtype)
    address = factors.ctypes.data
    handle = get_handle()
    modes = cublas.getPointerMode(handle), cublas.getMathMode(handle)
    cublas.setPointerMode(handle, cublas.CUBLAS_POINTER_MODE_HOST)
    cublas.setMathMode(handle, cublas.CUBLAS_DEFAULT_MATH)
    try:
        # cuBLAS is column-major: to it each row-major matrix is its transpose, so out' := b' a'.
        product(
            handle, b_op, a_op, columns, rows, a.shape[1],
            address, b.data.ptr, b_leading, a.data.ptr, a_leading,
            address + factors.itemsize, out.data.ptr, out_leading,
        )  # fmt: skip
    finally:
        cublas.setPointerMode(handle, modes[0])
        cublas.setMathMode(handle, modes[1])


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


@functools.cache
def _cublas() -> tuple[Any, Any]:
    from cupy.cuda.device import get_cublas_handle
    from cupy_backends.cuda.libs import cublas

    return cublas, get_cublas_handle
