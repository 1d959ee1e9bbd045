"""NumPy's kernels against the reference: `Backend`'s own methods, run in a wider type and rounded."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

from backend import Backend
from backend.rules import RULES, RuleNumbers
from tests.conftest import NumpyBackend, ReadOnlyNumpy

NUMPY = NumpyBackend()
REFERENCE = Backend("reference", array_api_compat.numpy)
WIDER = {"float32": np.float64, "float64": np.longdouble}

NO_KERNELS = {
    "cost_total",
    "drop_",
    "asarray",
    "to_numpy",
    "empty",
    "empties",
    "prepare",
    "zeros",
    "owns",
    "dtype_name",
    "is_row_major",
    "measure",
    "protect",
    "release",
}
"""What `NumpyBackend` overrides that computes nothing."""

PARTS_OF_STEPS = {"add_bias_activate_", "hidden_delta_", "sum_rows", "add_product_"}
"""What a layer's steps, which are compared here, are made of without compiled kernels."""


@dataclass(frozen=True)
class Call:
    """A kernel called: its arrays, drawn for a dtype, and its other arguments. What it writes comes first, or is `out`.

    `ulps` is how far from the reference a value may be, in float32 and in float64; 0 stands for a sum, whose bound
    grows with its terms.
    """

    kernel: str
    name: str
    arrays: Callable[[np.random.Generator, type], list[np.ndarray]]
    others: tuple[Any, ...] = ()
    ulps: tuple[float, float] = (2, 2)

    def __str__(self) -> str:
        return f"{self.kernel}-{self.name}"

    def on(self, backend: Backend, arrays: list[np.ndarray]) -> np.ndarray:
        """Call the kernel of `backend`; what it wrote or returned."""
        kernel = getattr(backend, self.kernel)
        if self.kernel == "apply_rule_":
            kernel(arrays[0], arrays[-1], arrays[1:-1], *self.others)
            return arrays[0]
        if self.kernel == "backward_layer_":
            return error_below(backend, *arrays, *self.others)
        if "out" in inspect.signature(kernel).parameters:
            kernel(*arrays[1:], *self.others, out=arrays[0])
            return arrays[0]
        returned = kernel(*arrays, *self.others)
        return arrays[0] if returned is None else np.array([float(returned)])


def error_below(
    backend: Backend, a: np.ndarray, delta: np.ndarray, activation: str, columns: slice = slice(None)
) -> np.ndarray:
    """A backward step whose product gives `delta` (rows, 1) in each column, exactly; what becomes of `a`."""
    W = np.ones((a.shape[1], 1), a.dtype)
    weight, bias = np.empty_like(W[columns]), np.empty(1, a.dtype)
    backend.backward_layer_(a, delta, W, activation, first=columns.start or 0, weight=weight, bias=bias)
    return a


def matrix(random: np.random.Generator, dtype: type, shape: tuple[int, ...] = (37, 67)) -> np.ndarray:
    """Values from -16 to 16 in steps of 2^-10, so that a sum of two of them is exact."""
    return (random.integers(-(2**14), 2**14, size=shape) / 1024).astype(dtype)


def unit(random: np.random.Generator, dtype: type, shape: tuple[int, ...] = (37, 67)) -> np.ndarray:
    """Outputs of a sigmoid: from 0 to 1, crowded at both ends."""
    return (1 / (1 + np.exp(-random.normal(scale=6, size=shape)))).astype(dtype)


def with_bias(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
    """out, and a, W, b with products that are exact."""
    return layer_of(matrix(random, dtype, (37, 1)), matrix(random, dtype, (67,)))


def layer_of(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """The arrays of a layer that adds each value of `b` to each of `a`, a column."""
    out = np.zeros((len(a), len(b)), a.dtype)
    return [out, a, np.ones((1, len(b)), a.dtype), b]


def outputs(activation: str) -> Callable[[np.random.Generator, type], list[np.ndarray]]:
    def draw(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
        a = unit(random, dtype)
        if activation == "tanh":
            a = 2 * a - 1
        elif activation in ("relu", "identity"):
            a = np.maximum(matrix(random, dtype), 0)
        return [a, unit(random, dtype)]

    return draw


def outputs_and_errors(activation: str) -> Callable[[np.random.Generator, type], list[np.ndarray]]:
    def draw(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
        a, _ = outputs(activation)(random, dtype)
        return [a, random.normal(size=(37, 1)).astype(dtype)]

    return draw


def drawn(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator, type], list[np.ndarray]]:
    return lambda random, dtype: [random.normal(size=shape).astype(dtype) for shape in shapes]


def going_up(shape: tuple[int, ...]) -> Callable[[np.random.Generator, type], list[np.ndarray]]:
    """w, v above 0 and g below: the velocity is rounded before it is added, and nothing cancels to magnify that."""

    def draw(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
        w, v, g = (np.abs(a) for a in drawn(shape, shape, shape)(random, dtype))
        return [w, v, -g]

    return draw


def ruled(rule: str) -> Callable[[np.random.Generator, type], list[np.ndarray]]:
    """w, what the rule keeps, and a gradient below 0, as a mean of gradients is then: nothing cancels."""

    def draw(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
        *above, g = (np.abs(a) for a in drawn(*[(37, 67)] * (len(RULES[rule]) + 2))(random, dtype))
        return [above[0], -above[1], above[2], -g] if rule == "adam" else [*above, -g]

    return draw


def transposed(shapes: list[tuple[int, ...]], which: int) -> Callable[[np.random.Generator, type], list[np.ndarray]]:
    def draw(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
        arrays = drawn(*shapes)(random, dtype)
        return [a.T if i == which else a for i, a in enumerate(arrays)]

    return draw


def some_columns(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
    out, a, delta = drawn((9, 7), (37, 67), (37, 7))(random, dtype)
    return [out, a[:, 20:29].T, delta]


def rows_of_output(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
    whole, a, b = drawn((37, 7), (9, 67), (67, 7))(random, dtype)
    return [whole[4:13], a, b]


def sparse_targets(random: np.random.Generator, dtype: type) -> list[np.ndarray]:
    a = unit(random, dtype) + np.finfo(dtype).tiny
    return [a, np.eye(67, dtype=dtype)[random.integers(67, size=37)]]


RATE = 2.0**-5  # exact in both dtypes: a rate is rounded to the network's dtype before it is used
NUMBERS = RuleNumbers(RATE, scale=0.5, l2=-RATE, decay=-RATE, beta1=0.5, beta2=0.75, epsilon=RATE, correction=1.5)
"""All of them exact, and signs by which nothing cancels."""

CALLS = [
    *(Call("forward_layer_", name, with_bias, (name,)) for name in ("identity", "sigmoid", "tanh", "relu")),
    # The total of a row's 67 terms is summed in float64: half a unit in the last place each, if the row is float64 too.
    Call("forward_layer_", "softmax", with_bias, ("softmax",), ulps=(2, 2 + 67 / 2)),
    *(Call("output_delta_", name, outputs(name), (name,)) for name in ("identity", "sigmoid", "tanh", "relu")),
    Call("output_delta_", "softmax", outputs("sigmoid"), ("softmax",)),
    *(
        Call("backward_layer_", name, outputs_and_errors(name), (name,))
        for name in ("identity", "sigmoid", "tanh", "relu")
    ),
    *(
        Call("backward_layer_", f"{name}, columns 20 to 33", outputs_and_errors(name), (name, slice(20, 33)))
        for name in ("identity", "sigmoid", "tanh", "relu")
    ),
    Call("scale_rows_", "matrix", drawn((37, 67), (37,))),
    Call("apply_gradient_", "matrix", drawn((37, 67), (37, 67)), (RATE,)),
    Call("apply_gradient_", "vector", drawn((67,), (67,)), (RATE,)),
    Call("apply_momentum_", "matrix", going_up((37, 67)), (RATE, 0.5)),
    Call("apply_momentum_", "vector", going_up((67,)), (RATE, 0.5)),
    *(Call("apply_rule_", rule, ruled(rule), (rule, NUMBERS), ulps=(4, 4)) for rule in RULES),
    Call("gradient_norm", "both", drawn((37, 67), (67,)), ulps=(0, 0)),
    Call("all_finite", "vector", lambda random, dtype: [unit(random, dtype, (67,))]),
    Call("count_correct", "matrix", outputs("sigmoid")),
    Call("matmul", "whole", drawn((37, 7), (37, 67), (67, 7)), ulps=(0, 0)),
    Call("matmul", "first transposed", transposed([(67, 7), (37, 67), (37, 7)], 1), ulps=(0, 0)),
    Call("matmul", "second transposed", transposed([(37, 67), (37, 7), (67, 7)], 2), ulps=(0, 0)),
    Call("matmul", "some columns transposed", some_columns, ulps=(0, 0)),
    Call("matmul", "into some rows", rows_of_output, ulps=(0, 0)),
    Call("matmul", "one row", drawn((1, 7), (1, 67), (67, 7)), ulps=(0, 0)),
    Call("matmul", "one column", drawn((37, 1), (37, 67), (67, 1)), ulps=(0, 0)),
    Call("matmul", "one inner", drawn((37, 7), (37, 1), (1, 7)), ulps=(0, 0)),
    Call("all_finite", "vector", drawn((67,))),
    Call("cost_sum", "quadratic", outputs("sigmoid"), ("quadratic",), ulps=(0, 0)),
    Call("cost_sum", "cross-entropy", sparse_targets, ("cross-entropy",), ulps=(0, 0)),
]
ELEMENTWISE = [call for call in CALLS if any(call.ulps)]
SUMS = [call for call in CALLS if not any(call.ulps)]

every_call = pytest.mark.parametrize("call", CALLS, ids=str)
every_elementwise_call = pytest.mark.parametrize("call", ELEMENTWISE, ids=str)


def ulps_apart(value: np.ndarray, wanted: np.ndarray) -> float:
    """The largest distance in units in the last place of `wanted`, a wider type's; infinite where one only is NaN."""
    rounded = wanted.astype(value.dtype)
    with np.errstate(invalid="ignore"):
        apart = np.abs(value.astype(wanted.dtype) - rounded) / np.spacing(np.abs(rounded)).astype(wanted.dtype)
    apart[(value == rounded) | (np.isnan(value) & np.isnan(rounded))] = 0
    return float(np.max(np.where(np.isnan(apart), np.inf, apart)))


def wide(arrays: list[np.ndarray], dtype: str) -> list[np.ndarray]:
    return [a.astype(WIDER[dtype]) for a in arrays]


def overridden() -> list[str]:
    methods = [name for name, value in vars(NumpyBackend).items() if inspect.isfunction(value)]
    return sorted(name for name in methods if hasattr(Backend, name) and not name.startswith("__"))


# The list of kernels


def test_every_overridden_kernel_is_compared_with_the_reference():
    steps_parts = set() if NUMPY.compiled else PARTS_OF_STEPS
    assert set(overridden()) - NO_KERNELS - steps_parts == {call.kernel for call in CALLS}


@pytest.mark.parametrize("name", overridden())
def test_override_takes_the_reference_s_arguments(name):
    def shape_of(method: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(method).parameters.values()
        return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]

    assert shape_of(getattr(NumpyBackend, name)) == shape_of(getattr(Backend, name))


def test_read_only_variant_changes_no_kernel():
    changed = {name for name in vars(ReadOnlyNumpy) if not name.startswith("_")}
    assert changed == {"protect", "release"}


# Values


@every_elementwise_call
def test_kernel_is_within_two_units_in_the_last_place_of_the_reference(call, dtype):
    arrays = call.arrays(np.random.default_rng(1), np.dtype(dtype).type)
    wanted = call.on(REFERENCE, wide(arrays, dtype))
    assert ulps_apart(call.on(NUMPY, arrays), wanted) <= call.ulps[dtype == "float64"]


@pytest.mark.parametrize("call", SUMS, ids=str)
def test_sum_is_as_near_to_the_reference_as_its_terms_allow(call, dtype):
    arrays = call.arrays(np.random.default_rng(1), np.dtype(dtype).type)
    wanted = call.on(REFERENCE, wide(arrays, dtype))
    sizes = call.on(REFERENCE, [np.abs(a) for a in wide(arrays, dtype)])  # of the sum of the terms' absolute values
    terms = max(max(a.shape) for a in arrays)
    value = call.on(NUMPY, arrays)
    bound = terms * np.finfo(dtype).eps * np.abs(sizes)
    assert np.all(np.abs(value - wanted) <= np.broadcast_to(bound, np.shape(wanted)))


def test_cost_is_summed_in_double_precision():
    arrays = outputs("sigmoid")(np.random.default_rng(1), np.float32)
    wanted = REFERENCE.cost_sum(*wide(arrays, "float32"), "quadratic")
    assert NUMPY.cost_sum(*arrays, "quadratic") == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("kernel", ["sigmoid", "tanh"])
def test_activation_is_within_two_units_over_the_whole_range(kernel, dtype):
    edges = np.geomspace(np.finfo(dtype).tiny, 800, 20_000).astype(dtype)
    z = np.concatenate([-edges[::-1], edges]).reshape(-1, 1)
    call = Call("forward_layer_", kernel, with_bias, (kernel,))
    arrays = layer_of(z, np.zeros(3, dtype))
    wanted = call.on(REFERENCE, wide(arrays, dtype))
    assert ulps_apart(call.on(NUMPY, arrays), wanted) <= 2


@pytest.mark.parametrize("kernel", ["output_delta_", "backward_layer_"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_derivative_is_within_two_units_where_the_output_is_nearly_saturated(kernel, activation, dtype):
    distances = np.geomspace(np.finfo(dtype).epsneg, 0.5, 2000)
    a = (1 - distances).astype(dtype).reshape(-1, 50)
    call = Call(kernel, activation, outputs(activation), (activation,))
    arrays = [a, np.full_like(a if kernel == "output_delta_" else a[:, :1], 0.25)]
    exact = wide(arrays, dtype)
    factor = exact[0] * (1 - exact[0]) if activation == "sigmoid" else (1 - exact[0]) * (1 + exact[0])
    wanted = factor * (exact[0] - exact[1] if kernel == "output_delta_" else exact[1])
    assert ulps_apart(call.on(NUMPY, arrays), wanted) <= 2


def test_two_units_are_enough_to_tell_the_classic_notebook_s_error():
    a, y = outputs("sigmoid")(np.random.default_rng(1), np.float32)
    wanted = Call("output_delta_", "sigmoid", outputs("sigmoid"), ("sigmoid",)).on(REFERENCE, wide([a, y], "float32"))
    twice = 1 / (1 + np.exp(-a))
    assert ulps_apart((a - y) * twice * (1 - twice), wanted) > 1000


def test_one_unit_apart_is_counted_as_one():
    x = np.ones(3, np.float32)
    assert ulps_apart(np.nextafter(x, np.float32(2)), x.astype(np.float64)) == 1
    assert ulps_apart(x, x.astype(np.float64)) == 0
    assert ulps_apart(x * np.float32(np.nan), x.astype(np.float64)) == np.inf


@every_elementwise_call
def test_value_does_not_depend_on_where_in_the_array_it_stands(call, dtype):
    if call.kernel in ("count_correct", "all_finite") or call.others == ("softmax",):
        pytest.skip("values are taken together")
    arrays = call.arrays(np.random.default_rng(2), np.dtype(dtype).type)
    alike = [np.full_like(a, a.flat[5]) for a in arrays]
    written = call.on(NUMPY, alike)
    if len(call.others) == 2 and isinstance(call.others[1], slice):
        written = written[:, call.others[1]]
    assert len(np.unique(written)) == 1


@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu", "softmax"])
def test_rows_are_activated_alike_together_and_apart(activation, dtype):
    out, a, W, b = with_bias(np.random.default_rng(3), np.dtype(dtype).type)
    apart = np.empty_like(out)
    NUMPY.forward_layer_(a, W, b, activation, out=out)
    for i in range(len(a)):
        NUMPY.forward_layer_(a[i : i + 1], W, b, activation, out=apart[i : i + 1])
    assert apart.tobytes() == out.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 33, 66])
@pytest.mark.parametrize("backend", [NUMPY, REFERENCE], ids=["numpy", "reference"])
@pytest.mark.filterwarnings("error")
def test_vector_with_one_bad_value_is_not_all_finite(backend, place, value, dtype):
    v = np.full(67, np.finfo(dtype).max)
    assert backend.all_finite(v)
    v[place] = value
    assert not backend.all_finite(v)


# Values that are not ordinary

SPECIAL = {
    "nan": np.nan,
    "inf": np.inf,
    "-inf": -np.inf,
    "100": 100.0,
    "-100": -100.0,
    "1e30": 1e30,
    "-1e30": -1e30,
    "0": 0.0,
    "-0": -0.0,
    "subnormal": "subnormal",
    "-subnormal": "-subnormal",
}
special_values = pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL.keys())


def special_of(special: float | str, dtype: str) -> Any:
    smallest = np.finfo(dtype).smallest_subnormal
    return np.dtype(dtype).type({"subnormal": 3 * smallest, "-subnormal": -3 * smallest}.get(special, special))


@special_values
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu", "softmax"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the reference computes inf - inf
def test_special_input_is_activated_as_by_the_reference(activation, special, dtype):
    b = np.full(21, special_of(special, dtype))
    b[::2] = 0.5  # among ordinary ones
    call = Call("forward_layer_", activation, with_bias, (activation,))
    arrays = layer_of(np.zeros((3, 1), dtype), b)
    wanted = call.on(REFERENCE, wide(arrays, dtype))
    assert ulps_apart(call.on(NUMPY, arrays), wanted) <= 2


@pytest.mark.parametrize("backend_class", [NumpyBackend, Backend], ids=["numpy", "reference"])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu", "softmax"])
def test_nan_stays_nan_through_an_activation(activation, backend_class, dtype):
    backend = NUMPY if backend_class is NumpyBackend else REFERENCE
    out, *layer = layer_of(np.full((2, 1), np.nan, dtype), np.zeros(21, dtype))
    backend.forward_layer_(*layer, activation, out=out)
    assert np.isnan(out).all()


@pytest.mark.parametrize("backend_class", [NumpyBackend, Backend], ids=["numpy", "reference"])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu", "softmax"])
def test_nan_output_makes_a_nan_error(activation, backend_class, dtype):
    backend = NUMPY if backend_class is NumpyBackend else REFERENCE
    a = np.full((2, 21), np.nan, dtype)
    backend.output_delta_(a, np.zeros((2, 21), dtype), activation)
    assert np.isnan(a).all()


@special_values
@pytest.mark.parametrize("kernel", ["output_delta_", "backward_layer_"])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_error_goes_back_as_by_the_reference(kernel, activation, special, dtype):
    draw = outputs if kernel == "output_delta_" else outputs_and_errors
    a, d = draw(activation)(np.random.default_rng(4), np.dtype(dtype).type)
    d[:] = special_of(special, dtype)
    call = Call(kernel, activation, outputs(activation), (activation,))
    wanted = call.on(REFERENCE, wide([a, d], dtype))
    assert ulps_apart(call.on(NUMPY, [a, d]), wanted) <= 2


@pytest.mark.parametrize("backend_class", [NumpyBackend, Backend], ids=["numpy", "reference"])
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy", "binary-cross-entropy"])
@pytest.mark.parametrize(("output", "expected"), [(0.0, np.isfinite), (np.nan, np.isnan)], ids=["zero", "nan"])
def test_cost_of_an_extreme_output_is_finite_and_of_nan_is_nan(cost, output, expected, backend_class, dtype):
    backend = NUMPY if backend_class is NumpyBackend else REFERENCE
    y = np.eye(3, dtype=dtype)
    assert expected(backend.cost_sum(np.full((3, 3), output, dtype), y, cost))


def test_first_of_equal_outputs_counts(dtype):
    a, y = np.ones((2, 3), dtype), np.eye(3, dtype=dtype)[[0, 1]]
    assert NUMPY.count_correct(a, y) == REFERENCE.count_correct(a, y) == 1


# Bytes


@every_call
def test_kernel_allocates_nothing(call, dtype):
    arrays = call.arrays(np.random.default_rng(5), np.dtype(dtype).type)
    kernel = getattr(NUMPY, call.kernel)
    if call.kernel == "backward_layer_":
        W, weight, bias, piece = (np.empty(shape, dtype) for shape in ((67, 1), (13, 1), (1,), (37 * 13,)))
    with NUMPY.measure() as usage:
        if call.kernel == "backward_layer_":
            kernel(*arrays, W, call.others[0], first=20, weight=weight, bias=bias, piece=piece)
        elif call.kernel == "apply_rule_":
            kernel(arrays[0], arrays[-1], arrays[1:-1], *call.others)
        elif "out" in inspect.signature(kernel).parameters:
            kernel(*arrays[1:], *call.others, out=arrays[0])
        else:
            kernel(*arrays, *call.others)
    assert usage.peak_bytes == 0


def test_reference_which_allocates_is_noticed():
    out, *layer = with_bias(np.random.default_rng(5), np.float32)
    with NUMPY.measure() as usage:
        REFERENCE.forward_layer_(*layer, "sigmoid", out=out)
    assert usage.peak_bytes >= out.nbytes


@every_call
def test_kernel_writes_its_first_argument_only(call, dtype):
    arrays = call.arrays(np.random.default_rng(6), np.dtype(dtype).type)
    before = [a.copy() for a in arrays]
    call.on(NUMPY, arrays)
    reports = dict.fromkeys(("cost_sum", "count_correct", "all_finite", "gradient_norm"), 0)
    written = {"apply_momentum_": 2, "apply_rule_": len(arrays) - 1, **reports}.get(call.kernel, 1)
    assert [np.array_equal(a, old) for a, old in zip(arrays, before, strict=True)][written:] == [True] * (
        len(arrays) - written
    )


# What is reported of an output, on every backend


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy", "binary-cross-entropy"])
def test_cost_is_the_same_on_every_backend(cost, rows, backend, dtype):
    random = np.random.default_rng(11)
    a, y = unit(random, np.dtype(dtype).type, (rows, 5)), np.eye(5, dtype=dtype)[random.integers(5, size=rows)]
    if cost == "binary-cross-entropy":
        a = np.minimum(a, 1 - 2 * np.finfo(dtype).eps)  # nearer to 1, a cost stops at what its dtype can tell
    wanted = REFERENCE.cost_sum(a.astype(np.float64), y.astype(np.float64), cost)
    assert backend.cost_sum(backend.asarray(a), backend.asarray(y), cost) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("rows", [1, 200])
def test_correct_answers_are_the_same_on_every_backend(rows, backend, dtype):
    a, y = (np.random.default_rng(seed).random((rows, 5)).astype(dtype) for seed in (1, 2))
    wanted = int((a.argmax(axis=1) == y.argmax(axis=1)).sum())
    assert backend.count_correct(backend.asarray(a), backend.asarray(y)) == wanted


@pytest.mark.parametrize(("value", "expected"), [(1.0, True), (np.nan, False), (-np.inf, False)])
def test_finite_values_are_told_on_every_backend(value, expected, backend, dtype):
    assert backend.all_finite(backend.asarray(np.array([0, value, 1], dtype))) is expected


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_finite_matrices_are_told_on_every_backend(value, backend, dtype):
    whole = np.zeros((5, 7), dtype)
    whole[4, 6] = value
    assert backend.all_finite(backend.asarray(whole)) is (value == 1)


# Rows of data, on every backend


@pytest.mark.parametrize("rows", [[3], [4, 0, 0, 2], [], list(range(5))])
def test_rows_are_taken_in_their_order(rows, backend, dtype):
    whole = np.random.default_rng(0).random((5, 3)).astype(dtype)
    taken = backend.take_rows(backend.asarray(whole), np.array(rows, np.int64))
    assert np.array_equal(backend.to_numpy(taken), whole[rows] if rows else whole[:0])


@pytest.mark.parametrize("rows", [[5], [-1], [0, 99, 1]])
def test_row_that_there_is_not_is_refused(rows, backend):
    with pytest.raises(IndexError, match="rows must be from 0 to 4"):
        backend.take_rows(backend.zeros((5, 3), "float32"), np.array(rows))
