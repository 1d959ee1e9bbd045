"""The CuPy backend's costs and counts."""

import numpy as np
import pytest

from backend import select_backend
from backend.cupy.backend import CupyBackend
from backend.cupy.kernels import reports as cupy_reports
from tests.backend.cupy.agreement import DTYPES, KERNEL_BYTES, SHAPES, Pair, agree, normal, outputs

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy", "binary-cross-entropy"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cost_sum_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], cost: str, dtype: str) -> None:
    a = Pair(cupy_backend, outputs("sigmoid" if cost.startswith("binary") else "softmax", *shape, dtype=dtype))
    agree(cupy_backend, "cost_sum", a, Pair(cupy_backend, np.abs(normal(*shape, dtype=dtype, seed=1)) % 1), cost)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cost", ["quadratic", "binary-cross-entropy"])
def test_weighted_cost_sum_agrees(cupy_backend: CupyBackend, cost: str, dtype: str) -> None:
    a = Pair(cupy_backend, outputs("sigmoid", 33, 10, dtype=dtype))
    y = Pair(cupy_backend, np.abs(normal(33, 10, dtype=dtype, seed=1)) % 1)
    agree(cupy_backend, "cost_sum", a, y, cost, Pair(cupy_backend, np.abs(normal(33, dtype=dtype, seed=2))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_an_impossible_target_is_finite(cupy_backend: CupyBackend, dtype: str) -> None:
    a, y = Pair(cupy_backend, np.array([[0, 1]], dtype)), Pair(cupy_backend, np.array([[1, 0]], dtype))
    agree(cupy_backend, "cost_sum", a, y, "cross-entropy")
    agree(cupy_backend, "cost_sum", a, y, "binary-cross-entropy")


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
