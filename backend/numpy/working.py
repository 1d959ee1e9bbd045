"""What NumPy's own kernels need beside their arrays: a small piece of memory that each Python thread has, and tiles.

No meter of arrays counts it.
"""

import mmap
import sys
import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from backend.formulas import LEAKY_SLOPE

WORK_VALUES = 2**15
"""Values that a kernel takes at a time."""


NUMBERS = {
    (np.dtype(dtype), value): np.array(value, dtype)
    for dtype in ("float32", "float64")
    for value in (0, 1, LEAKY_SLOPE)
}
"""Constants as arrays: NumPy makes an array of each number that it is given, and that is counted."""


class _Work(threading.local):
    """Memory of no array library, so that no meter of arrays counts it: places for values, truths and a number."""

    def __init__(self) -> None:
        size = (2 * 8 + 1) * WORK_VALUES + 8
        if sys.platform == "win32":
            self._memory = mmap.mmap(-1, size)
        else:  # private: a forked process has its own, or both would compute in the same
            self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def values(self, dtype: Any, shape: tuple[int, ...], place: int = 0) -> np.ndarray:
        flat = np.frombuffer(self._memory, dtype, WORK_VALUES, 8 * WORK_VALUES * place)
        return flat[: prod(shape)].reshape(shape)

    def truths(self, shape: tuple[int, ...]) -> np.ndarray:
        flat = np.frombuffer(self._memory, np.bool_, WORK_VALUES, 16 * WORK_VALUES)
        return flat[: prod(shape)].reshape(shape)

    def number(self, value: float, dtype: Any) -> np.ndarray:
        """A number as an array without dimensions."""
        number = np.frombuffer(self._memory, dtype, 1, 17 * WORK_VALUES).reshape(())
        number[()] = value
        return number


work = _Work()


def tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """A matrix in parts of at most WORK_VALUES values, as whole rows where those fit."""
    across = min(columns, WORK_VALUES)
    down = max(1, WORK_VALUES // max(across, 1))
    for top in range(0, rows, down):
        for left in range(0, columns, max(across, 1)):
            yield slice(top, min(top + down, rows)), slice(left, min(left + across, columns))


def flat_tiles(w: np.ndarray) -> Iterator[Any]:
    """Indices of parts of a matrix or a vector, of at most WORK_VALUES values each."""
    if w.ndim == 2:
        yield from tiles(*w.shape)
    else:
        yield from (slice(first, first + WORK_VALUES) for first in range(0, w.size, WORK_VALUES))
