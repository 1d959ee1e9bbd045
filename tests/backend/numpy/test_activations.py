"""Every activation of the compiled kernels against wider types: values, derivatives, and what is not ordinary."""

import numpy as np
import pytest

from tests.backend.numpy.test_kernels import ulps_apart

WIDER = {"float32": np.float64, "float64": np.longdouble}
VALUES = {
    "leaky-relu": lambda z, slope: np.where(z < 0, z * slope, z),
    "elu": lambda z, _: np.where(z < 0, np.expm1(np.minimum(z, 0)), z),
    "softplus": lambda z, _: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
    "sigmoid": lambda z, _: np.where(z < 0, np.exp(-np.abs(z)), 1) / (1 + np.exp(-np.abs(z))),
    "tanh": lambda z, _: np.tanh(z),
}
SLOPES = {
    "leaky-relu": lambda a, slope: np.where(a <= 0, slope, 1),
    "elu": lambda a, _: np.where(a <= 0, a + 1, 1),
    "softplus": lambda a, _: -np.expm1(-a),
    "sigmoid": lambda a, _: a * (1 - a),
    "tanh": lambda a, _: (1 - a) * (1 + a),
}


def slope_in(dtype: str) -> np.floating:
    """Leaky ReLU's slope, as the kernels' dtype has it."""
    return WIDER[dtype](np.dtype(dtype).type(0.01))


@pytest.mark.parametrize("activation", VALUES)
def test_activation_is_within_two_units_over_the_whole_range(activation, compiled, dtype):
    edges = np.geomspace(np.finfo(dtype).tiny, 700, 20_000).astype(dtype)
    z = np.concatenate([-edges[::-1], [0.0], edges]).astype(dtype).reshape(-1, 1)
    out, zero = np.empty((len(z), 3), dtype), np.zeros(3, dtype)
    compiled.forward_layer_(z, np.ones((1, 3), dtype), zero, activation, out=out)
    with np.errstate(under="ignore"):
        wanted = VALUES[activation](np.repeat(z, 3, axis=1).astype(WIDER[dtype]), slope_in(dtype))
    assert ulps_apart(out, wanted) <= 2


@pytest.mark.parametrize("activation", SLOPES)
def test_derivative_is_within_two_units_of_that_of_its_output(activation, compiled, dtype):
    random = np.random.default_rng(1)
    a = random.uniform(-1 if activation in ("tanh", "elu", "leaky-relu") else 0, 1, size=(99, 37)).astype(dtype)
    if activation == "softplus":
        a *= 30
    wanted = SLOPES[activation](a.astype(WIDER[dtype]), slope_in(dtype)) * 0.75
    delta, W = np.full((99, 1), 0.75, dtype), np.ones((37, 1), dtype)
    compiled.backward_layer_(a, delta, W, activation, first=0, weight=np.empty_like(W), bias=np.empty(1, dtype))
    assert ulps_apart(a, wanted) <= 2


@pytest.mark.parametrize("activation", ["leaky-relu", "elu", "softplus"])
def test_special_values(activation, compiled, dtype):
    b = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30], dtype)
    out = np.empty((1, 7), dtype)
    compiled.forward_layer_(np.zeros((1, 1), dtype), np.ones((1, 7), dtype), b, activation, out=out)
    low = {"leaky-relu": (-np.inf, np.dtype(dtype).type(0.01) * np.dtype(dtype).type(-1e30)), "elu": (-1, -1)}
    low_values = low.get(activation, (0, 0))
    zero = np.log(2) if activation == "softplus" else 0
    wanted = [np.nan, np.inf, low_values[0], zero, zero, 1e30, low_values[1]]
    assert np.allclose(out[0], np.array(wanted, dtype), rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("activation", ["leaky-relu", "elu", "softplus"])
def test_nan_stays_nan_in_an_error(activation, compiled, dtype):
    a = np.full((2, 21), np.nan, dtype)
    compiled.output_delta_(a, np.zeros((2, 21), dtype), activation)
    assert np.isnan(a).all()


def test_codes_are_one_table(compiled):
    names = ["identity", "sigmoid", "tanh", "relu", "softmax", "leaky-relu", "elu", "softplus"]
    assert list(compiled.engine.activations) == names
    assert list(compiled.engine.activations.values()) == list(range(8))
    assert list(compiled.engine.costs) == ["quadratic", "cross-entropy", "binary-cross-entropy"]


def test_binary_cross_entropy_is_that_of_each_output(compiled, dtype):
    random = np.random.default_rng(3)
    a, y = random.uniform(0.01, 0.99, size=(40, 6)).astype(dtype), random.integers(0, 2, size=(40, 6)).astype(dtype)
    x, t = a.astype("float64"), y.astype("float64")
    wanted = -(t * np.log(x) + (1 - t) * np.log(1 - x)).sum()
    assert compiled.cost_sum(a, y, "binary-cross-entropy") == pytest.approx(wanted, rel=1e-12)
    assert np.isfinite(compiled.cost_sum(np.ones((2, 2), dtype), np.zeros((2, 2), dtype), "binary-cross-entropy"))
