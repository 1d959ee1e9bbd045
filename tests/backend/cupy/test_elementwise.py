"""The CuPy backend's errors and updates, on slices too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.kernels import elementwise as cupy_kernels
from backend.cupy.kernels.elementwise import ELEMENTWISE
from backend.errors import BackendError
from backend.rules import RULES, RuleNumbers
from mlp.data.values.convert import as_inputs
from mlp.data.values.scaling import Scaling
from tests.backend.cupy.agreement import DTYPES, SHAPES, Pair, agree, normal, outputs

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]


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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cut", UPDATED[:3])
def test_rows_are_scaled_alike(cupy_backend: CupyBackend, cut: Callable[[Any], Any], dtype: str) -> None:
    d = Pair(cupy_backend, normal(12, 11, dtype=dtype)).cut(cut)
    agree(cupy_backend, "scale_rows_", d, Pair(cupy_backend, normal(len(d.host), dtype=dtype, seed=1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("divisor", [255.0, 16.0, 1.0, 3.0, 254.7])
@pytest.mark.parametrize("shape", [(1, 256), (32, 8), (3, 257), (256, 1)])
def test_every_byte_is_divided_to_the_bits_of_the_host(
    cupy_backend: CupyBackend, shape: tuple[int, int], divisor: float, dtype: str
) -> None:
    """All 256 values, in rows that are packs and rows that are not, by the function that scales on the host."""
    numbers = np.resize(np.arange(256, dtype="uint8"), shape)
    a = cupy_backend.empty(shape, dtype)
    cupy_backend.divide_bytes_(a, cupy_backend.asarray(numbers), divisor)
    wanted = as_inputs(numbers, dtype, scaling=Scaling(divisor))
    assert cupy_backend.to_numpy(a).tobytes() == wanted.tobytes()
    pairs = Pair(cupy_backend, normal(*shape, dtype=dtype)), Pair(cupy_backend, numbers)
    agree(cupy_backend, "divide_bytes_", *pairs, divisor)


@pytest.mark.parametrize("cut", [lambda x: x[1:5, :], lambda x: x[:, 3:9], lambda x: x[2:3, 4:]])
def test_bytes_of_some_rows_and_columns_are_divided_alike(cupy_backend: CupyBackend, cut: Callable[[Any], Any]) -> None:
    numbers = np.random.default_rng(0).integers(256, size=(12, 11)).astype("uint8")
    a = Pair(cupy_backend, normal(12, 11)).cut(cut)
    agree(cupy_backend, "divide_bytes_", a, Pair(cupy_backend, numbers).cut(cut), 255.0)


def test_numbers_that_are_no_bytes_are_refused(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.empty((2, 3), "float32")
    with pytest.raises(BackendError, match="must be uint8; got float32"):
        cupy_backend.divide_bytes_(a, cupy_backend.empty((2, 3), "float32"), 255.0)


NUMBERS = RuleNumbers(0.1, scale=0.5, l2=0.02, decay=0.03, beta1=0.9, beta2=0.75, epsilon=1e-3, correction=1.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cut", UPDATED)
@pytest.mark.parametrize("rule", RULES)
def test_rules_of_optimizers_agree(cupy_backend: CupyBackend, rule: str, cut: Callable[[Any], Any], dtype: str) -> None:
    w = Pair(cupy_backend, normal(12, 11, dtype=dtype)).cut(cut)
    kept = [
        Pair(cupy_backend, np.abs(normal(12, 11, dtype=dtype, seed=seed + 2))).cut(cut)
        for seed in range(len(RULES[rule]))
    ]
    g = Pair(cupy_backend, np.ascontiguousarray(cut(normal(12, 11, dtype=dtype, seed=1))))
    agree(cupy_backend, "apply_rule_", w, g, kept, rule, NUMBERS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (12, 11), (300, 211)])
def test_norm_of_a_gradient_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], dtype: str) -> None:
    weight, bias = Pair(cupy_backend, normal(*shape, dtype=dtype)), Pair(cupy_backend, normal(shape[1], dtype=dtype))
    agree(cupy_backend, "gradient_norm", weight, bias)


def test_unknown_rule_is_refused(cupy_backend: CupyBackend) -> None:
    w = cupy_backend.zeros((3, 4), "float32")
    with pytest.raises(ValueError, match="unknown rule 'lion'; choose sgd"):
        cupy_backend.apply_rule_(w, w, [], "lion", NUMBERS)


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


@pytest.mark.parametrize("first", [0, 1, 4])
@pytest.mark.parametrize("leading", [64, 65])
def test_results_are_the_same_bits_wherever_the_rows_begin(cupy_backend: CupyBackend, first: int, leading: int) -> None:
    """Aligned rows are taken 16 bytes at a time, others value by value."""
    a, d, b = outputs("sigmoid", 9, 48, dtype="float32"), normal(9, 48), normal(48)

    def placed(whole: np.ndarray) -> Any:
        on_device = cupy_backend.zeros((whole.shape[0], leading + 8), "float32")[:, first : first + whole.shape[1]]
        on_device[...] = cupy_backend.asarray(whole)
        return on_device

    def results(a: Any, d: Any) -> list[bytes]:
        found = []
        for kernel, arguments in (
            ("add_bias_activate_", (cupy_backend.asarray(b), "elu")),
            ("hidden_delta_", (d, "tanh")),
            ("output_delta_", (d, "sigmoid")),
            ("apply_gradient_", (d, 0.3)),
        ):
            getattr(cupy_backend, kernel)(a, *arguments)
            found.append(cupy_backend.to_numpy(a).tobytes())
        return found

    assert results(placed(a), placed(d)) == results(cupy_backend.asarray(a), cupy_backend.asarray(d))
