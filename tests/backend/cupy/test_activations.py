"""The CuPy backend's activations, and their derivatives where values are not ordinary."""

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.kernels.elementwise import ELEMENTWISE
from tests.backend.cupy.agreement import DTYPES, SHAPES, Pair, agree, normal

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]


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
