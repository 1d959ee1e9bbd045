"""Layouts, judged on NumPy arrays: no device is needed, and CuPy is not imported."""

import numpy as np
import pytest

from backend.cupy.kernels.layout import item_of, leading_dimension, row_major, same_shape, side_by_side, vector
from backend.cupy.kernels.source import THREADS, block_of
from backend.errors import BackendError

WHOLE = np.zeros((6, 8), np.float32)


@pytest.mark.parametrize(
    ("matrix", "leading"),
    [
        (WHOLE, 8),
        (WHOLE[2:5, :], 8),
        (WHOLE[:, 3:5], 8),
        (WHOLE[::2, :], 16),
        (WHOLE[:, 3:4], 8),
        (WHOLE[1:2, 3:5], 2),
        (WHOLE.T, None),
        (WHOLE[:, ::2], None),
        (WHOLE[::-1, :], None),
        (np.broadcast_to(WHOLE[:1, :], (3, 8)), None),
        (np.broadcast_to(WHOLE[:1, :1], (3, 1)), None),
        (WHOLE[::-1, :1], None),
        (np.zeros((5, 1), np.float32).T, 5),
    ],
)
def test_a_matrix_is_row_major_where_its_rows_have_no_gaps(matrix: np.ndarray, leading: int | None) -> None:
    assert leading_dimension(matrix) == leading


@pytest.mark.parametrize("wrong", [WHOLE.T, WHOLE[0], WHOLE[:, ::2]])
def test_what_is_not_a_row_major_matrix_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(BackendError, match=r"row-major matrices.*got shape"):
        row_major(wrong)


def test_arrays_without_gaps_are_one_long_row() -> None:
    assert side_by_side(WHOLE[1:3, :], WHOLE[3:5, :]) == (1, 16, [16, 16])
    assert side_by_side(np.zeros(5)) == (1, 5, [5])


def test_arrays_with_gaps_keep_their_rows() -> None:
    assert side_by_side(WHOLE[:, :4], np.zeros((6, 4), np.float32)) == (6, 4, [8, 4])


def test_arrays_of_two_shapes_are_refused() -> None:
    with pytest.raises(BackendError, match=r"one shape; got \(6, 8\) and \(8, 6\)"):
        same_shape(WHOLE, WHOLE.T)


@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((1, 5)), np.zeros(10)[::2]])
def test_a_vector_that_does_not_fit_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(BackendError, match="contiguous vector of 5 values"):
        vector(wrong, 5)


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("int32",), ("float16", "float16")])
def test_dtypes_that_no_kernel_takes_are_refused(dtypes: tuple[str, ...]) -> None:
    with pytest.raises(BackendError, match="all be float32 or all float64"):
        item_of(*(np.zeros(2, dtype) for dtype in dtypes))


@pytest.mark.parametrize("columns", [1, 2, 3, 10, 31, 255, 256, 257, 100_000])
def test_a_block_is_whole_and_its_rows_powers_of_two(columns: int) -> None:
    along, down = block_of(columns)
    assert along * down == THREADS
    assert along & (along - 1) == 0
    assert along >= min(columns, THREADS)
