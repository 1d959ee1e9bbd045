"""The CuPy backend's sums of rows, and its search for values that are not finite."""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.kernels.source import ITEM_BYTES, SUMMED_COLUMNS
from backend.cupy.kernels.sums import PARTS_BYTES, SCRATCH_BYTES, shares_of
from backend.cupy.pool import pool_of
from backend.errors import BackendError
from tests.backend.cupy.agreement import DTYPES, SHAPES, Pair, agree, normal

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (64, 8), (65, 9), (200, 17)])
def test_sum_rows_agrees(cupy_backend: CupyBackend, shape: tuple[int, int], dtype: str) -> None:
    d, out = Pair(cupy_backend, normal(*shape, dtype=dtype)), Pair(cupy_backend, np.full(shape[1], np.nan, dtype))
    agree(cupy_backend, "sum_rows", d, out=out)
    agree(cupy_backend, "sum_rows", d, out=out, onto=True)
    agree(cupy_backend, "sum_rows", d, out=out, onto=True, factor=-0.3, keep=0.7)


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


@pytest.mark.parametrize("size", [1, 255, 256, 257, 5000, 100_001])
def test_the_last_value_is_looked_at_too(cupy_backend: CupyBackend, size: int) -> None:
    v = cupy_backend.zeros((size,), "float32")
    assert cupy_backend.all_finite(v)
    v[-1] = np.nan
    assert not cupy_backend.all_finite(v)


@pytest.mark.parametrize("shape", [(4000, 10), (3, 70_000), (700, 300), (2000, 64)])
def test_every_block_counts(cupy_backend: CupyBackend, shape: tuple[int, int]) -> None:
    whole = normal(*shape)
    on_device = cupy_backend.asarray(whole)
    assert cupy_backend.all_finite(on_device)
    for i, j in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 3)):
        on_device[i, j] = np.inf
        assert not cupy_backend.all_finite(on_device)
        on_device[i, j] = 0
    assert cupy_backend.all_finite(on_device)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
def test_nothing_is_finite(cupy_backend: CupyBackend, shape: tuple[int, ...]) -> None:
    assert cupy_backend.all_finite(cupy_backend.empty(shape, "float32"))


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
@pytest.mark.parametrize("shape", [(512, 8), (1000, 10), (3000, 3), (2049, 64), (700, 300), (100_000, 1)])
def test_rows_that_several_blocks_share_are_all_added(
    cupy_backend: CupyBackend, shape: tuple[int, int], dtype: str
) -> None:
    item = {"float32": "float", "float64": "double"}[dtype]
    assert shares_of(*shape, item) > 1
    d = Pair(cupy_backend, np.random.default_rng(1).integers(-50, 50, shape).astype(dtype))  # exact in any order
    out = Pair(cupy_backend, np.full(shape[1], np.nan, dtype))
    for onto in (False, True):
        agree(cupy_backend, "sum_rows", d, out=out, onto=onto)
    assert out.host.any()
    np.testing.assert_array_equal(cupy_backend.to_numpy(out.device), out.host)


@pytest.mark.parametrize("rows", [40, 5000])
def test_sums_are_the_same_bits_wherever_the_rows_begin(cupy_backend: CupyBackend, rows: int) -> None:
    """Aligned rows are read 16 bytes at a time, others value by value: in one order."""
    whole = normal(rows, 64)
    aligned, odd = cupy_backend.asarray(whole), cupy_backend.zeros((rows, 65), "float32")[:, 1:]
    odd[...] = aligned
    sums = [cupy_backend.empty((64,), "float32") for _ in range(2)]
    for d, out in zip((aligned, odd), sums, strict=True):
        cupy_backend.sum_rows(d, out=out)
    assert cupy_backend.to_numpy(sums[0]).tobytes() == cupy_backend.to_numpy(sums[1]).tobytes()


def test_scratch_memory_is_enough_for_every_shape() -> None:
    for item, item_bytes in ITEM_BYTES.items():
        for columns in [*range(1, 9000), *range(9000, 100_000, 97)]:
            shares = shares_of(2**31, columns, item)
            assert shares == 1 or shares * columns * item_bytes <= PARTS_BYTES
            assert shares == 1 or -(-columns // SUMMED_COLUMNS) * 4 <= SCRATCH_BYTES - PARTS_BYTES


def test_counts_of_arrived_blocks_are_zero_again(cupy_backend: CupyBackend) -> None:
    d, out = cupy_backend.zeros((5000, 40), "float32"), cupy_backend.empty((40,), "float32")
    cupy_backend.sum_rows(d, out=out)
    pool = pool_of(cupy_backend.device.id)
    counts = (ctypes.c_uint32 * ((SCRATCH_BYTES - PARTS_BYTES) // 4))()
    cupy_backend.synchronize()
    with cupy_backend.device:
        runtime = pytest.importorskip("cupy").cuda.runtime
        runtime.memcpy(ctypes.addressof(counts), pool.scratch() + PARTS_BYTES, ctypes.sizeof(counts), 2)
    assert not any(counts)
