"""The CuPy backend's products, of slices and transposes, without a copy."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.kernels import cublas
from backend.cupy.kernels.cublas import DEFAULT_MATH, TF32_MATH, CublasHandle, cublas_handle
from backend.cupy.kernels.gemm import gemm
from backend.errors import BackendError
from tests.backend.cupy.agreement import DTYPES, Pair, agree, normal, tolerance

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]

CUTS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda x: x,
    "rows": lambda x: x[2:-1, :],
    "columns": lambda x: x[:, 1:-2],
    "block": lambda x: x[1:4, 3:5],
    "one row": lambda x: x[3:4, 1:-1],
    "one column": lambda x: x[:, 2:3],
    "one value": lambda x: x[2:3, 2:3],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("b_cut", CUTS)
@pytest.mark.parametrize("a_cut", CUTS)
def test_matmul_takes_slices_and_transposes_without_a_copy(
    cupy_backend: CupyBackend, a_cut: str, b_cut: str, transposed: str, dtype: str
) -> None:
    a = Pair(cupy_backend, normal(7, 9, dtype=dtype)).cut(CUTS[a_cut])
    b = Pair(cupy_backend, normal(8, 6, dtype=dtype)).cut(CUTS[b_cut])
    for name, pair in (("a", a), ("b", b)):
        if name in transposed:
            pair.cut(lambda x: x.T)
    inner = min(a.host.shape[1], b.host.shape[0])
    a.cut(lambda x: x[:, :inner])
    b.cut(lambda x: x[:inner, :])
    rows, columns = a.host.shape[0], b.host.shape[1]
    out = Pair(cupy_backend, np.full((rows + 2, columns + 3), np.nan, dtype)).cut(lambda x: x[1:-1, 2:-1])
    agree(cupy_backend, "matmul", a, b, out=out)
    agree(cupy_backend, "add_product_", out, a, b)
    agree(cupy_backend, "add_product_", out, a, b, factor=-0.3, keep=0.7)


def test_products_in_tf32_go_to_a_handle_in_that_mode_and_others_to_theirs(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in multiplies in full in any mode; which mode cuBLAS is in at each product is what it can show."""
    modes, gemm_of = [], CublasHandle.gemm

    def noting(handle: CublasHandle, item: str, *arguments: Any) -> None:
        modes.append((item, handle.math_mode))
        gemm_of(handle, item, *arguments)

    monkeypatch.setattr(CublasHandle, "gemm", noting)
    rounded = cupy_backend.in_tf32()
    a, out = cupy_backend.asarray(normal(6, 6)), cupy_backend.zeros((6, 6), "float32")
    with cupy_backend.measure() as usage:
        for backend in (cupy_backend, rounded, cupy_backend):
            backend.matmul(a, a, out=out)
            backend.add_product_(out, a, a)
    assert modes == [("float", mode) for mode in (DEFAULT_MATH, TF32_MATH, DEFAULT_MATH) for _ in range(2)]
    assert usage.peak_bytes == 0
    with cupy_backend.device:
        assert cublas_handle(tf32=True) is cublas_handle(tf32=True) is not cublas_handle()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_products_of_a_backward_step_hold_nothing(cupy_backend: CupyBackend, dtype: str) -> None:
    a, delta = Pair(cupy_backend, normal(40, 30, dtype=dtype)), Pair(cupy_backend, normal(40, 12, dtype=dtype))
    gradient = Pair(cupy_backend, np.zeros((16, 12), dtype)).cut(lambda x: x[:10, :])
    agree(cupy_backend, "matmul", a.cut(lambda x: x[:, 20:30].T), delta, out=gradient)
    Wt = Pair(cupy_backend, normal(30, 12, dtype=dtype)).cut(lambda x: x[20:30, :].T)
    below = Pair(cupy_backend, np.zeros(500, dtype)).cut(lambda x: x[:160].reshape(16, 10))
    agree(cupy_backend, "matmul", delta.cut(lambda x: x[24:40, :]), Wt, out=below)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [1.0, -0.25])
@pytest.mark.parametrize("beta", [0.0, 1.0, 0.5])
def test_gemm_scales_the_product_and_what_was_there(
    cupy_backend: CupyBackend, alpha: float, beta: float, dtype: str
) -> None:
    a, b, before = normal(5, 4, dtype=dtype), normal(4, 6, dtype=dtype, seed=1), normal(5, 6, dtype=dtype, seed=2)
    out = cupy_backend.asarray(before)
    with cupy_backend.device, cupy_backend.measure() as usage:
        gemm(cupy_backend.asarray(a), cupy_backend.asarray(b), out=out, alpha=alpha, beta=beta)
    assert usage.peak_bytes == 1024  # the two matrices
    np.testing.assert_allclose(cupy_backend.to_numpy(out), alpha * a @ b + beta * before, **tolerance(dtype))


def test_gemm_leaves_the_modes_of_the_handle_as_they_were(cupy_backend: CupyBackend) -> None:
    from cupy.cuda.device import get_cublas_handle
    from cupy_backends.cuda.libs import cublas

    a = cupy_backend.asarray(normal(3, 3))
    handle = get_cublas_handle()
    cublas.setMathMode(handle, cublas.CUBLAS_TENSOR_OP_MATH)
    cublas.setPointerMode(handle, cublas.CUBLAS_POINTER_MODE_DEVICE)
    try:
        cupy_backend.matmul(a, a, out=cupy_backend.empty((3, 3), "float32"))
        assert cublas.getMathMode(handle) == cublas.CUBLAS_TENSOR_OP_MATH
        assert cublas.getPointerMode(handle) == cublas.CUBLAS_POINTER_MODE_DEVICE
    finally:
        cublas.setMathMode(handle, cublas.CUBLAS_DEFAULT_MATH)
        cublas.setPointerMode(handle, cublas.CUBLAS_POINTER_MODE_HOST)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions by which a cuBLAS handle is set, as they are called."""
    called: list[str] = []
    plain = CublasHandle._do

    def listed(self: CublasHandle, name: str, *arguments: Any) -> None:
        called.append(name)
        plain(self, name, *arguments)

    monkeypatch.setattr(CublasHandle, "_do", listed)
    return called


def test_nothing_is_set_around_a_product(cupy_backend: CupyBackend, settings: list[str]) -> None:
    a, out = cupy_backend.asarray(normal(3, 3)), cupy_backend.empty((3, 3), "float32")
    cupy_backend.matmul(a, a, out=out)
    settings.clear()
    for _ in range(3):
        cupy_backend.matmul(a, a, out=out)
    assert settings == []


def test_workspace_is_given_again_with_each_other_stream(cupy_backend: CupyBackend, settings: list[str]) -> None:
    import cupy

    a, out = cupy_backend.asarray(normal(3, 3)), cupy_backend.zeros((3, 3), "float32")
    cupy_backend.matmul(a, a, out=out)
    settings.clear()
    with cupy_backend.device:
        stream = cupy.cuda.Stream(non_blocking=True)
        cupy_backend.synchronize()
        with stream:
            cupy_backend.matmul(a, a, out=out)
            stream.synchronize()
    np.testing.assert_allclose(cupy_backend.to_numpy(out), normal(3, 3) @ normal(3, 3), **tolerance("float32"))
    cupy_backend.matmul(a, a, out=out)
    assert settings == ["cublasSetStream_v2", "cublasSetWorkspace_v2"] * 2


def test_a_product_allocates_nothing_of_the_device(cupy_backend: CupyBackend) -> None:
    a, out = cupy_backend.asarray(normal(40, 40)), cupy_backend.empty((40, 40), "float32")
    cupy_backend.matmul(a, a, out=out)
    before = cupy_backend.device_memory()
    cupy_backend.matmul(a, a, out=out)
    assert cupy_backend.device_memory() == before


def test_each_thread_has_a_handle_of_its_own(cupy_backend: CupyBackend) -> None:
    a, out = cupy_backend.asarray(normal(5, 5)), cupy_backend.empty((5, 5), "float32")
    handles: list[Any] = []

    def multiply() -> None:
        with cupy_backend.device:
            cupy_backend.matmul(a, a, out=out)
            handles.append(cublas_handle())
            cupy_backend.synchronize()

    thread = threading.Thread(target=multiply)
    thread.start()
    thread.join()
    multiply()
    multiply()
    assert handles[0] is not handles[1]
    assert handles[1] is handles[2]


def test_what_cublas_refuses_is_an_error_with_its_status(cupy_backend: CupyBackend) -> None:
    from cupy_backends.cuda.libs import cublas as of_cupy

    with pytest.raises(of_cupy.CUBLASError) as caught:
        cublas.check(3)
    assert caught.value.status == 3


@pytest.mark.parametrize(
    ("a", "b", "out", "says"),
    [
        ((3, 8), (4, 5), (3, 5), "don't give the output's"),
        ((3, 4), (4, 5), (5, 3), "don't give the output's"),
        ((3,), (3, 5), (1, 5), "don't give the output's"),
    ],
)
def test_products_that_do_not_fit_are_refused(
    cupy_backend: CupyBackend, a: tuple[int, ...], b: tuple[int, ...], out: tuple[int, ...], says: str
) -> None:
    with pytest.raises(BackendError, match=says):
        cupy_backend.matmul(
            cupy_backend.zeros(a, "float32"),
            cupy_backend.zeros(b, "float32"),
            out=cupy_backend.zeros(out, "float32"),
        )


def test_a_factor_with_gaps_in_both_directions_is_refused(cupy_backend: CupyBackend) -> None:
    gaps, b = cupy_backend.zeros((6, 8), "float32")[::2, ::2], cupy_backend.zeros((4, 5), "float32")
    with pytest.raises(BackendError, match="row-major or transposed"):
        cupy_backend.matmul(gaps, b, out=cupy_backend.zeros((3, 5), "float32"))


def test_an_output_in_columns_is_refused(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.zeros((3, 3), "float32")
    with pytest.raises(BackendError, match="row-major matrices"):
        cupy_backend.matmul(a, a, out=cupy_backend.zeros((3, 3), "float32").T)
