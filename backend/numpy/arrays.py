"""What every variant of the NumPy backend shares: arrays of the host, and a meter that counts their bytes exactly."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from backend.base import Backend
from backend.facts import LINE_BYTES, UNCOMPILED
from backend.halves import HALF
from backend.memory import Usage
from backend.numpy.halves import narrow, widen
from backend.numpy.kernels import door
from backend.numpy.meter import ArrayDomain
from backend.numpy.pages import pages

_domain = ArrayDomain()
_NAMES = {np.dtype(name): name for name in ("float32", "float64")}
_open: list[tuple[int, Usage]] = []


class NumpyArrays(Backend):
    """NumPy on the host, but for the kernels. NumPy 2 is an array-API namespace itself, so nothing wraps it."""

    compiled: bool
    """Whether the kernels are those in C: NumPy's own take other bytes and give other bits."""

    def __init__(self) -> None:
        super().__init__("numpy", np, "cpu")

    @property
    def variant(self) -> str:
        """Which NumPy this is, for plans, reports and saved states."""
        return self.name if self.compiled else UNCOMPILED

    def asarray(self, x: Any, dtype: str | None = None) -> np.ndarray:
        return np.asarray(x, dtype=dtype)

    def to_numpy(self, a: np.ndarray) -> np.ndarray:
        return a

    def empty(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        return np.empty(shape, dtype)

    def empties(self, shapes: Iterable[tuple[int, ...]], dtype: str) -> list[np.ndarray]:
        """See `Backend.empties`. They are parts of one array, each from a line of the cache on.

        NumPy asks for large pages for large arrays: many small ones cost a tenth of a step in looking up addresses.
        """
        sizes = [(shape, prod(shape)) for shape in shapes]
        line = LINE_BYTES // np.dtype(dtype).itemsize
        whole = np.empty(sum(-(-size // line) * line for _, size in sizes) + line, dtype)
        start = -whole.ctypes.data % LINE_BYTES // whole.itemsize
        arrays = []
        for shape, size in sizes:
            arrays.append(whole[start : start + size].reshape(shape))
            start += -(-size // line) * line
        return arrays

    def zeros(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        return np.zeros(shape, dtype)

    def arena(self, values: int, dtype: str) -> np.ndarray:
        """See `Backend.arena`. Its pages come from the operating system, which takes them back when it is freed."""
        return np.frombuffer(pages(values * np.dtype(dtype).itemsize), dtype, values)

    def as_halves(self, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return values.view(HALF)[: prod(shape)].reshape(shape)

    def narrow_(self, halves: np.ndarray, x: np.ndarray, kind: str) -> None:
        narrow(halves, x, kind)

    def widen_(self, x: np.ndarray, halves: np.ndarray, kind: str) -> None:
        widen(x, halves, kind)

    def owns(self, x: Any) -> bool:
        return isinstance(x, np.ndarray)

    def dtype_name(self, a: np.ndarray) -> str:
        known = _NAMES.get(a.dtype)  # NumPy makes a dtype's name anew each time
        return known or (a.dtype.name if a.dtype.isnative else a.dtype.str)

    def is_row_major(self, a: np.ndarray) -> bool:
        return door.leading_of(a) is not None

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure a block; see `Backend.measure`. Counts the whole process; blocks may be nested, in one thread."""
        _domain.start()
        start = _domain.current_bytes()
        for outer_start, outer in _open:
            outer.peak_bytes = max(outer.peak_bytes, _domain.peak_bytes() - outer_start)
        _domain.reset_peak()
        usage = Usage(_read=lambda: _domain.current_bytes() - start)
        _open.append((start, usage))
        try:
            yield usage
        finally:
            for open_start, user in _open:
                user.peak_bytes = max(user.peak_bytes, _domain.peak_bytes() - open_start)
            usage.end_bytes = _domain.current_bytes() - start
            usage._read = None
            _open.pop()
            _domain.stop()

    def place(self, size: int, *, end: int = 0) -> None:
        _domain.place(size)
        for _, usage in _open:
            usage.arena_bytes = max(usage.arena_bytes, end)

    def protect(self, a: np.ndarray) -> None:
        """Make `a` read-only until `release`."""
        a.flags.writeable = False

    def release(self, a: np.ndarray) -> None:
        """Make `a` writeable again."""
        a.flags.writeable = True

    @property
    def measuring(self) -> bool:  # type: ignore[override]
        return bool(_open)
