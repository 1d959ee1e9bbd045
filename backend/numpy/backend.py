"""The NumPy backend: compiled in-place kernels, and a meter that counts array data to the byte."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import array_api_compat.numpy
import numpy as np

from backend.base import Backend
from backend.facts import FACTS
from backend.memory import Usage
from backend.numpy.kernels import elementwise as kernels
from backend.numpy.kernels import layer_jobs as jobs
from backend.numpy.kernels.team import Team, thread_count
from backend.numpy.kernels.vector_code import LINE_BYTES
from backend.numpy.meter import ArrayDomain

_domain = ArrayDomain()
_team = Team(thread_count(), jobs.serve)
_NAMES = {np.dtype(name): name for name in ("float32", "float64")}
_SMALLEST = {dtype: float(np.finfo(dtype).smallest_normal) for dtype in _NAMES}
_NOTHING = {np.dtype(name): np.empty((1, 0), name) for name in ("float32", "float64")}
_open: list[tuple[int, Usage]] = []


class NumpyBackend(Backend):
    """NumPy on the host. Its kernels allocate no arrays; those that they write are row-major.

    A layer's step is one job of a team of threads, as many as OMP_NUM_THREADS says or as there are cores; see
    `backend.numpy.kernels.layer_jobs`. Its results do not depend on their number.
    """

    facts = FACTS["numpy"]

    def __init__(self) -> None:
        super().__init__("numpy", array_api_compat.numpy, "cpu")

    def prepare(self, sizes: Iterable[int], dtype: str) -> None:
        """See `Backend.prepare`. Compiles what is not compiled yet for this processor: once after an installation."""
        widest = max(sizes)
        with _team.lock:
            jobs.make_ready(_team, dtype, widest, widest)

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

    def owns(self, x: Any) -> bool:
        return isinstance(x, np.ndarray)

    def dtype_name(self, a: np.ndarray) -> str:
        known = _NAMES.get(a.dtype)  # NumPy makes a dtype's name anew each time
        return known or (a.dtype.name if a.dtype.isnative else a.dtype.str)

    def is_row_major(self, a: np.ndarray) -> bool:
        if a.flags.c_contiguous:
            return True
        return (a.strides[1] == a.itemsize and a.strides[0] >= a.shape[1] * a.itemsize) or 1 in a.shape

    @property
    def threads(self) -> int:  # type: ignore[override]
        return _team.threads

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

    def protect(self, a: np.ndarray) -> None:
        """Make `a` read-only until `release`."""
        a.flags.writeable = False

    def release(self, a: np.ndarray) -> None:
        """Make `a` writeable again."""
        a.flags.writeable = True

    @property
    def measuring(self) -> bool:  # type: ignore[override]
        return bool(_open)

    # Kernels

    def matmul(self, a: np.ndarray, b: np.ndarray, *, out: np.ndarray) -> None:
        np.matmul(a, b, out=out)

    def output_delta_(self, a: np.ndarray, y: np.ndarray, activation: str) -> None:
        kernels.output_delta(a, y, jobs.ACTIVATIONS[activation])

    def forward_layer_(
        self,
        a: np.ndarray,
        W: np.ndarray,
        b: np.ndarray,
        activation: str,
        *,
        out: np.ndarray,
        soon: np.ndarray | None = None,
    ) -> None:
        nothing = _NOTHING[out.dtype]
        _do(jobs.forward_layer, W, a, W, b, out, jobs.ACTIVATIONS[activation], nothing if soon is None else soon)

    def backward_layer_(
        self,
        a: np.ndarray,
        delta: np.ndarray,
        W: np.ndarray,
        activation: str | None,
        *,
        first: int,
        weight: np.ndarray,
        bias: np.ndarray | None,
        onto: bool = False,
        piece: np.ndarray | None = None,
        soon: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    ) -> None:
        if activation is None:
            below = jobs.NO_ERROR_BELOW
        elif a.flags.writeable:
            below = jobs.ACTIVATIONS[activation]
        else:
            raise ValueError("the activation is read-only, and cannot become the error; release it first")
        nothing = _NOTHING[weight.dtype]
        sums = nothing[0] if bias is None else bias
        first_of_all, then = (nothing if x is None else x for x in soon)
        _do(jobs.backward_layer, W, a, first, delta, W, weight, sums, below, onto, first_of_all, then)

    def apply_gradient_(self, w: np.ndarray, g: np.ndarray, rate: float) -> None:
        _do(jobs.update, w, w.reshape(-1), g.reshape(-1), rate)

    def apply_momentum_(self, w: np.ndarray, v: np.ndarray, g: np.ndarray, rate: float, momentum: float) -> None:
        _do(jobs.update_with_momentum, w, w.reshape(-1), v.reshape(-1), g.reshape(-1), rate, momentum)

    def all_finite(self, v: np.ndarray) -> bool:
        return bool(jobs.is_finite(v if v.ndim == 1 else v.reshape(-1)))

    def cost_sum(self, a: np.ndarray, y: np.ndarray, cost: str) -> float:
        if cost == "quadratic":
            return float(kernels.quadratic_cost(a, y))
        return float(kernels.cross_entropy_cost(a, y, _SMALLEST[a.dtype]))

    def count_correct(self, a: np.ndarray, y: np.ndarray) -> int:
        return int(kernels.count_correct(a, y))


def _do(job: Callable[..., int], W: np.ndarray, *arguments: Any) -> None:
    """Have the team do a job for the layer with weights like `W`."""
    with _team.lock:
        threads = job(_team.words, _team.threads, *arguments)
        if threads == jobs.NOT_READY:
            jobs.make_ready(_team, W.dtype.name, W.shape[0], W.shape[-1])
            threads = job(_team.words, _team.threads, *arguments)
        if threads < _team.threads:
            _team.wake()
