"""Each kernel of the CuPy backend against the reference, run on NumPy: same arguments, same values, no bytes held.

Under the host-memory stand-in this proves values and bytes; cuBLAS's own rounding and races show only on a card.
"""

import gc
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

from backend import select_backend
from backend.base import Backend
from backend.cupy.backend import CupyBackend
from backend.cupy.detection import count_devices
from backend.cupy.kernels import elementwise as cupy_kernels
from backend.cupy.kernels import reports as cupy_reports
from backend.cupy.kernels.gemm import gemm
from backend.errors import BackendError, BackendUnavailable

pytestmark = pytest.mark.gpu

DTYPES = ("float32", "float64")
ELEMENTWISE = ("identity", "sigmoid", "tanh", "relu")
SHAPES = [(1, 1), (5, 3), (33, 10), (7, 300), (70, 1), (1, 40)]

REFERENCE = Backend("reference", array_api_compat.numpy)

KERNEL_BYTES = {
    "matmul": 0,
    "add_bias_activate_": 0,
    "output_delta_": 0,
    "hidden_delta_": 0,
    "sum_rows": 0,
    "add_product_": 0,
    "apply_gradient_": 0,
    "apply_momentum_": 0,
    "all_finite": 0,
    "cost_sum": 2048,
    "count_correct": 2048,
}
"""The most pool bytes that a call of each kernel holds. The last two are for reports and no part of a step."""


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """What a failed call left in reference cycles is not to go within a measured block."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def cupy_backend() -> CupyBackend:
    try:
        count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")
    return CupyBackend()  # a device that answers and cannot compute is a failure


class Pair:
    """An array on the host and the same one on the device; slices are taken of both."""

    def __init__(self, backend: CupyBackend, whole: np.ndarray) -> None:
        self.host, self.device = whole.copy(), backend.asarray(whole)
        self.wholes = self.host, self.device

    def cut(self, view: Callable[[Any], Any]) -> "Pair":
        self.host, self.device = view(self.host), view(self.device)
        return self


def tolerance(dtype: str) -> dict[str, float]:
    return {"rtol": 3e-6, "atol": 3e-6} if dtype == "float32" else {"rtol": 1e-14, "atol": 1e-14}


def agree(backend: CupyBackend, kernel: str, *arguments: Any, **keywords: Any) -> None:
    """Run a kernel on both sides; every array must then be alike, all around the slices too, and no bytes held."""
    pairs = [x for x in (*arguments, *keywords.values()) if isinstance(x, Pair)]

    def side(name: str) -> tuple[list[Any], dict[str, Any]]:
        take = lambda x: getattr(x, name) if isinstance(x, Pair) else x  # noqa: E731
        return [take(x) for x in arguments], {key: take(x) for key, x in keywords.items()}

    host_arguments, host_keywords = side("host")
    wanted = getattr(REFERENCE, kernel)(*host_arguments, **host_keywords)
    device_arguments, device_keywords = side("device")
    with backend.measure() as usage:
        got = getattr(backend, kernel)(*device_arguments, **device_keywords)
    assert usage.peak_bytes <= KERNEL_BYTES[kernel]
    assert usage.end_bytes == 0
    for pair in pairs:
        host, device = pair.wholes
        np.testing.assert_allclose(backend.to_numpy(device), host, **tolerance(host.dtype.name))
    assert (got is None) == (wanted is None)
    if wanted is not None:
        assert got == pytest.approx(wanted, rel=1e-5 if arguments[0].host.dtype == "float32" else 1e-12)


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def outputs(activation: str, *shape: int, dtype: str) -> np.ndarray:
    """Values that an activation can have."""
    z = normal(*shape, dtype=dtype)
    if activation == "softmax":
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return {"identity": z, "sigmoid": 1 / (1 + np.exp(-z)), "tanh": np.tanh(z), "relu": np.maximum(z, 0)}[activation]


# The tests' own list and their checker


def apply_wrong(w: Any, g: Any, rate: float) -> None:
    w -= 2 * rate * g


def apply_outside(w: Any, g: Any, rate: float) -> None:
    w.base[:] += 1


def write_the_second(w: Any, g: Any, rate: float) -> None:
    w -= rate * g
    g += 1


@pytest.mark.parametrize("wrong", [apply_wrong, apply_outside, write_the_second])
def test_a_wrong_kernel_is_seen(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any, Any, float], None]
) -> None:
    monkeypatch.setattr(cupy_backend, "apply_gradient_", wrong)
    w = Pair(cupy_backend, normal(6, 4)).cut(lambda x: x[1:3, :])
    with pytest.raises(AssertionError):
        agree(cupy_backend, "apply_gradient_", w, Pair(cupy_backend, normal(2, 4, seed=1)), 0.5)


def test_a_kernel_that_holds_bytes_is_seen(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(w: Any, g: Any, rate: float) -> None:
        copy = cupy_backend.empty(g.shape, "float32")
        copy[...] = g
        w -= rate * copy

    monkeypatch.setattr(cupy_backend, "apply_gradient_", apply)
    pairs = Pair(cupy_backend, normal(2, 4)), Pair(cupy_backend, normal(2, 4, seed=1))
    with pytest.raises(AssertionError, match=r"\d+ <= 0"):
        agree(cupy_backend, "apply_gradient_", *pairs, 0.5)


def test_every_kernel_is_overridden_with_the_reference_signature() -> None:
    for name in KERNEL_BYTES:
        assert name in vars(CupyBackend), name
        reference = inspect.signature(getattr(Backend, name)).parameters.values()
        override = inspect.signature(getattr(CupyBackend, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in override] == [(p.name, p.kind, p.default) for p in reference], name


def test_every_kernel_of_the_reference_is_listed() -> None:
    names = {name for name, member in vars(Backend).items() if inspect.isfunction(member) and not name.startswith("_")}
    others = {"asarray", "to_numpy", "empty", "empties", "zeros", "dtype", "dtype_name", "owns", "is_row_major"}
    others |= {"synchronize", "measure", "device_memory", "protect", "release", "times_derivative", "take_rows"}
    others |= {"uploads", "prepare"}
    others |= {"forward_layer_", "backward_layer_"}  # made of the kernels, on a device too
    assert names - others == set(KERNEL_BYTES)


# Products

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
    assert usage.peak_bytes == 1024  # the two factors
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


# Elementwise


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ELEMENTWISE, "softmax"])
@pytest.mark.parametrize("shape", SHAPES)
def test_add_bias_activate_agrees(
    cupy_backend: CupyBackend, shape: tuple[int, int], activation: str, dtype: str
) -> None:
    z, b = Pair(cupy_backend, 3 * normal(*shape, dtype=dtype)), Pair(cupy_backend, normal(shape[1], dtype=dtype))
    agree(cupy_backend, "add_bias_activate_", z, b, activation)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ELEMENTWISE, "softmax"])
def test_add_bias_activate_stays_within_a_slice(cupy_backend: CupyBackend, activation: str, dtype: str) -> None:
    z = Pair(cupy_backend, normal(9, 12, dtype=dtype)).cut(lambda x: x[2:7, 3:10])
    agree(cupy_backend, "add_bias_activate_", z, Pair(cupy_backend, normal(7, dtype=dtype)), activation)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softmax"])
def test_activations_of_large_values_do_not_overflow(cupy_backend: CupyBackend, activation: str, dtype: str) -> None:
    whole = np.array([[-1e4, -100, -1, 0, 1, 100, 1e4], [0, 0, 0, 0, 0, 0, 0]], dtype)
    agree(
        cupy_backend,
        "add_bias_activate_",
        Pair(cupy_backend, whole),
        Pair(cupy_backend, np.zeros(7, dtype)),
        activation,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ELEMENTWISE, "softmax"])
def test_nan_comes_out_of_an_activation_as_nan(cupy_backend: CupyBackend, activation: str, dtype: str) -> None:
    z = cupy_backend.asarray(np.array([[1, 2, 3], [1, np.nan, 3]], dtype))
    cupy_backend.add_bias_activate_(z, cupy_backend.zeros((3,), dtype), activation)
    is_nan = np.isnan(cupy_backend.to_numpy(z))
    assert not is_nan[0].any()
    assert is_nan[1].tolist() == ([True] * 3 if activation == "softmax" else [False, True, False])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_errors_of_values_that_are_not_ordinary_are_the_reference_s(
    cupy_backend: CupyBackend, activation: str, dtype: str
) -> None:
    special = np.array([np.nan, np.inf, -np.inf, 1e30, 0.5, 0.0, -0.0], dtype)
    a, d = np.array([-0.0, 0, 0.5, 1, np.nan], dtype), np.tile(special[:, None], (1, 5))
    with np.errstate(invalid="ignore"):  # the reference computes 0 times infinity
        for kernel in ("hidden_delta_", "output_delta_"):
            agree(cupy_backend, kernel, Pair(cupy_backend, np.tile(a, (7, 1))), Pair(cupy_backend, d), activation)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("kernel", ["output_delta_", "hidden_delta_"])
def test_errors_are_as_near_where_the_output_is_almost_saturated(
    cupy_backend: CupyBackend, kernel: str, activation: str, dtype: str
) -> None:
    a = (1 - np.geomspace(np.finfo(dtype).epsneg, 0.5, 200)).astype(dtype).reshape(10, 20)
    exact = a.astype("longdouble" if dtype == "float64" else "float64")
    error = (exact - 0.25) if kernel == "output_delta_" else 0.25
    wanted = error * (exact * (1 - exact) if activation == "sigmoid" else (1 - exact) * (1 + exact))
    on_device = cupy_backend.asarray(a)
    getattr(cupy_backend, kernel)(on_device, cupy_backend.asarray(np.full_like(a, 0.25)), activation)
    np.testing.assert_allclose(cupy_backend.to_numpy(on_device), wanted.astype(dtype), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ELEMENTWISE, "softmax"])
@pytest.mark.parametrize("shape", SHAPES)
def test_output_delta_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], activation: str, dtype: str) -> None:
    a = Pair(cupy_backend, outputs(activation, *shape, dtype=dtype))
    agree(cupy_backend, "output_delta_", a, Pair(cupy_backend, normal(*shape, dtype=dtype, seed=1)), activation)


@pytest.mark.parametrize("y_cut", [lambda y: y[1:6, 2:6], lambda y: y[::2, ::2][:5, :4], lambda y: y.T[:5, :4]])
def test_output_delta_takes_targets_of_any_strides(cupy_backend: CupyBackend, y_cut: Callable[[Any], Any]) -> None:
    a = Pair(cupy_backend, outputs("sigmoid", 9, 8, dtype="float32")).cut(lambda x: x[3:8, 1:5])
    agree(cupy_backend, "output_delta_", a, Pair(cupy_backend, normal(10, 9)).cut(y_cut), "sigmoid")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ELEMENTWISE)
@pytest.mark.parametrize(
    "columns", [slice(None), slice(0, 4), slice(5, 12), slice(11, 12), slice(None, 3), slice(9, None)]
)
def test_hidden_delta_turns_these_columns_and_no_others(
    cupy_backend: CupyBackend, columns: slice, activation: str, dtype: str
) -> None:
    width = len(range(*columns.indices(12)))
    a = Pair(cupy_backend, outputs(activation, 40, 12, dtype=dtype)).cut(lambda x: x[8:24, :])
    d = Pair(cupy_backend, normal(600, dtype=dtype)).cut(lambda x: x[: 16 * width].reshape(16, width))
    agree(cupy_backend, "hidden_delta_", a, d, activation, columns)


def test_hidden_delta_takes_all_columns_unless_told(cupy_backend: CupyBackend) -> None:
    a = Pair(cupy_backend, outputs("tanh", 5, 6, dtype="float32"))
    agree(cupy_backend, "hidden_delta_", a, Pair(cupy_backend, normal(5, 6)), "tanh")


@pytest.mark.parametrize("columns", [slice(0, 5), slice(0, 8, 2), slice(6, 10)])
def test_columns_that_do_not_fit_the_error_are_refused(cupy_backend: CupyBackend, columns: slice) -> None:
    a, d = cupy_backend.zeros((3, 8), "float32"), cupy_backend.zeros((3, 4), "float32")
    with pytest.raises(BackendError, match="cannot take the error"):
        cupy_backend.hidden_delta_(a, d, "tanh", columns)


UPDATED: list[Callable[[Any], Any]] = [
    lambda x: x,
    lambda x: x[3:9, :],
    lambda x: x[:, 2:7],
    lambda x: x[4, :],
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cut", UPDATED)
def test_updates_agree(cupy_backend: CupyBackend, cut: Callable[[Any], Any], dtype: str) -> None:
    def array(seed: int) -> Pair:
        return Pair(cupy_backend, normal(12, 11, dtype=dtype, seed=seed)).cut(cut)

    def packed(seed: int) -> Pair:
        return Pair(cupy_backend, np.ascontiguousarray(cut(normal(12, 11, dtype=dtype, seed=seed))))

    agree(cupy_backend, "apply_gradient_", array(0), packed(1), 0.125)
    agree(cupy_backend, "apply_momentum_", array(0), array(1), packed(2), 0.1, 0.9)


@pytest.mark.parametrize("kernel", ["apply_gradient_", "output_delta_"])
def test_arrays_that_do_not_match_are_refused(cupy_backend: CupyBackend, kernel: str) -> None:
    rest = {"apply_gradient_": (0.1,), "output_delta_": ("tanh",)}[kernel]
    a, wide, double = (cupy_backend.zeros((3, 4), "float32"), cupy_backend.zeros((3, 5), "float32"),
                       cupy_backend.zeros((3, 4), "float64"))  # fmt: skip
    with pytest.raises(BackendError, match="one shape"):
        getattr(cupy_backend, kernel)(a, wide, *rest)
    with pytest.raises(BackendError, match="all be float32 or all float64"):
        getattr(cupy_backend, kernel)(a, double, *rest)


@pytest.mark.parametrize("activation", ["tanh", "softmax"])
def test_a_bias_of_another_length_is_refused(cupy_backend: CupyBackend, activation: str) -> None:
    z, b = cupy_backend.zeros((3, 4), "float32"), cupy_backend.zeros((3,), "float32")
    with pytest.raises(BackendError, match="vector of 4 values"):
        cupy_backend.add_bias_activate_(z, b, activation)


def test_unknown_activations_are_refused(cupy_backend: CupyBackend) -> None:
    a, b = cupy_backend.zeros((3, 4), "float32"), cupy_backend.zeros((4,), "float32")
    with pytest.raises(ValueError, match="'gelu'"):
        cupy_backend.add_bias_activate_(a, b, "gelu")
    with pytest.raises(ValueError, match="'softmax' is not elementwise"):
        cupy_backend.hidden_delta_(a, cupy_backend.zeros((3, 4), "float32"), "softmax")


def test_rows_beyond_the_largest_grid_are_done_too(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_kernels, "MOST_BLOCKS_DOWN", 1)
    z = Pair(cupy_backend, normal(40, 100))
    agree(cupy_backend, "add_bias_activate_", z, Pair(cupy_backend, normal(100)), "tanh")
    agree(cupy_backend, "output_delta_", z, Pair(cupy_backend, normal(40, 100, seed=1)), "tanh")
    agree(cupy_backend, "hidden_delta_", z, Pair(cupy_backend, normal(40, 50)), "tanh", slice(50, 100))
    cut = lambda x: x[:, :70]  # noqa: E731
    agree(cupy_backend, "apply_gradient_", z.cut(cut), Pair(cupy_backend, normal(40, 70)), 0.5)
    v = Pair(cupy_backend, normal(40, 100, seed=2)).cut(cut)
    agree(cupy_backend, "apply_momentum_", z, v, Pair(cupy_backend, normal(40, 70)), 0.5, 0.25)


# Sums and counts


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (64, 8), (65, 9), (200, 17)])
def test_sum_rows_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], dtype: str) -> None:
    d, out = Pair(cupy_backend, normal(*shape, dtype=dtype)), Pair(cupy_backend, np.full(shape[1], np.nan, dtype))
    agree(cupy_backend, "sum_rows", d, out=out)
    agree(cupy_backend, "sum_rows", d, out=out, onto=True)


def test_sum_rows_takes_a_slice(cupy_backend: CupyBackend) -> None:
    d = Pair(cupy_backend, normal(30, 20)).cut(lambda x: x[5:25, 4:15])
    agree(cupy_backend, "sum_rows", d, out=Pair(cupy_backend, np.zeros(11, np.float32)))


def test_sum_rows_adds_as_well_as_numpy_does(cupy_backend: CupyBackend) -> None:
    """An error below 32 units in the last place of the sum, where adding one by one has some hundreds."""
    whole = np.random.default_rng(0).random((20_000, 3)).astype("float32")
    out = cupy_backend.empty((3,), "float32")
    cupy_backend.sum_rows(cupy_backend.asarray(whole), out=out)
    exact = np.array([math.fsum(column) for column in whole.T.astype("float64")])
    assert np.max(np.abs(cupy_backend.to_numpy(out) - exact) / exact) < 32 * 2.0**-24


@pytest.mark.parametrize("kernel", ["sum_rows", "softmax"])
def test_results_are_the_same_bits_each_time(cupy_backend: CupyBackend, kernel: str) -> None:
    whole, seen = normal(130, 70), set()
    for _ in range(3):
        z, out = cupy_backend.asarray(whole), cupy_backend.empty((70,), "float32")
        if kernel == "softmax":
            cupy_backend.add_bias_activate_(z, cupy_backend.zeros((70,), "float32"), "softmax")
        cupy_backend.sum_rows(z, out=out)
        seen.add(cupy_backend.to_numpy(z).tobytes() + cupy_backend.to_numpy(out).tobytes())
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf, -np.inf])
def test_all_finite_agrees(cupy_backend: CupyBackend, value: float, dtype: str) -> None:
    whole = normal(70, dtype=dtype)
    whole[33] = value
    agree(cupy_backend, "all_finite", Pair(cupy_backend, whole))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [1.0, np.nan, -np.inf])
@pytest.mark.parametrize("cut", [lambda x: x, lambda x: x[2:9, 3:300], lambda x: x[:, 5:6]])
def test_all_finite_takes_a_matrix(
    cupy_backend: CupyBackend, cut: Callable[[Any], Any], value: float, dtype: str
) -> None:
    whole = normal(10, 301, dtype=dtype)
    whole[8, 5] = value
    whole[9, 300] = np.nan  # outside of the second one
    agree(cupy_backend, "all_finite", Pair(cupy_backend, whole).cut(cut))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 5000])
def test_the_last_value_is_looked_at_too(cupy_backend: CupyBackend, size: int) -> None:
    v = cupy_backend.zeros((size,), "float32")
    assert cupy_backend.all_finite(v)
    v[-1] = np.nan
    assert not cupy_backend.all_finite(v)


def test_all_finite_allocates_in_no_pool(cupy_backend: CupyBackend) -> None:
    import cupy

    class Watch(cupy.cuda.MemoryHook):  # type: ignore[misc]
        def malloc_postprocess(self, *, mem_size: int, **_: Any) -> None:
            raise AssertionError(f"{mem_size} bytes were allocated")

    v = cupy_backend.zeros((1000,), "float32")
    pinned = cupy.get_default_pinned_memory_pool()
    free_blocks = pinned.n_free_blocks()
    with Watch():
        assert cupy_backend.all_finite(v)
    assert pinned.n_free_blocks() == free_blocks


def test_all_finite_refuses_what_it_would_have_to_copy(cupy_backend: CupyBackend) -> None:
    with pytest.raises(BackendError, match="contiguous vector"):
        cupy_backend.all_finite(cupy_backend.zeros((8,), "float32")[::2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cost_sum_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], cost: str, dtype: str) -> None:
    a = Pair(cupy_backend, outputs("softmax", *shape, dtype=dtype))
    agree(cupy_backend, "cost_sum", a, Pair(cupy_backend, np.abs(normal(*shape, dtype=dtype, seed=1))), cost)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_an_impossible_target_is_finite(cupy_backend: CupyBackend, dtype: str) -> None:
    a, y = Pair(cupy_backend, np.array([[0, 1]], dtype)), Pair(cupy_backend, np.array([[1, 0]], dtype))
    agree(cupy_backend, "cost_sum", a, y, "cross-entropy")


def test_an_unknown_cost_is_refused(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.zeros((3, 4), "float32")
    with pytest.raises(ValueError, match="unknown cost 'hinge'"):
        cupy_backend.cost_sum(a, a, "hinge")


def one_hot(rows: int, columns: int, dtype: str) -> np.ndarray:
    return np.eye(columns, dtype=dtype)[np.random.default_rng(rows).integers(0, columns, rows)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (300, 5)])
def test_count_correct_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], dtype: str) -> None:
    y = one_hot(*shape, dtype=dtype)
    a = Pair(cupy_backend, y + normal(*shape, dtype=dtype))
    agree(cupy_backend, "count_correct", a, Pair(cupy_backend, y))


def test_the_first_of_equal_values_counts(cupy_backend: CupyBackend) -> None:
    a = np.array([[1, 1, 0], [0, 1, 1], [2, 2, 2], [-np.inf, -np.inf, -np.inf]], "float32")
    agree(cupy_backend, "count_correct", Pair(cupy_backend, a), Pair(cupy_backend, np.eye(4, 3, dtype="float32")))


@pytest.mark.parametrize("wide", [3, 40])
def test_a_nan_counts_as_in_the_numpy_backend(cupy_backend: CupyBackend, wide: int) -> None:
    a = np.zeros((6, wide), "float32")
    a[0, 0] = a[1, 1] = a[2, 2] = np.nan
    a[3, :] = np.nan
    a[4, 1:] = np.nan
    a[4, 0] = -np.inf
    for first in (0, 1, 2):
        y = np.zeros_like(a)
        y[:, first] = 1
        got = cupy_backend.count_correct(cupy_backend.asarray(a), cupy_backend.asarray(y))
        assert got == select_backend("numpy").count_correct(a, y)


def test_costs_and_counts_take_any_strides(cupy_backend: CupyBackend) -> None:
    a = Pair(cupy_backend, outputs("softmax", 20, 16, dtype="float32")).cut(lambda x: x[2:12, 3:14:2])
    y = Pair(cupy_backend, np.abs(normal(6, 10))).cut(lambda x: x.T)
    agree(cupy_backend, "cost_sum", a, y, "quadratic")
    agree(cupy_backend, "cost_sum", a, y, "cross-entropy")
    agree(cupy_backend, "count_correct", a, y)


@pytest.mark.parametrize("most", [1, 3])
def test_few_blocks_count_all_the_rows(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(cupy_reports, "MOST_PARTS", most)
    a = Pair(cupy_backend, outputs("softmax", 101, 33, dtype="float32"))
    y = Pair(cupy_backend, one_hot(101, 33, "float32"))
    agree(cupy_backend, "cost_sum", a, y, "quadratic")
    agree(cupy_backend, "count_correct", a, y)


def test_partial_sums_never_take_more_than_2_kib(cupy_backend: CupyBackend) -> None:
    a, y = (Pair(cupy_backend, one_hot(300, 300, "float32")) for _ in range(2))
    with cupy_backend.measure() as usage:
        cupy_backend.count_correct(a.device, y.device)
    assert usage.peak_bytes == KERNEL_BYTES["count_correct"]
