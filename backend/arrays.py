"""An array library and a device: how arrays get there and back, and what is known of the memory they take."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from backend.errors import MeterError
from backend.formulas import Array
from backend.memory import DeviceMemory, Usage
from backend.uploads import Uploads
from backend.watching import Watch


class Arrays:
    """Arrays of a library (`xp`) on a device. `name` is the backend's, which `select_backend` takes."""

    measuring = False
    """Whether a `measure` block is open."""

    def __init__(self, name: str, xp: Any, device: Any = None) -> None:
        self.name = name
        self.xp = xp
        self.device = device

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, device={str(self.device)!r})"

    @property
    def device_name(self) -> str:
        """The device's name, for reports."""
        return str(self.device)

    # In and out

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        """`x` as an array of this backend, on its device; copied only where that is necessary."""
        return self.xp.asarray(x, dtype=None if dtype is None else self.dtype(dtype), device=self.device)

    def to_numpy(self, a: Array) -> np.ndarray:
        """`a` on the host, as a NumPy array; a NumPy array is returned as it is."""
        return a if isinstance(a, np.ndarray) else np.from_dlpack(a, device="cpu")

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array, row-major, its values not set."""
        return self.xp.empty(shape, dtype=self.dtype(dtype), device=self.device)

    def empties(self, shapes: Iterable[tuple[int, ...]], dtype: str) -> list[Array]:
        """New row-major arrays of these shapes, for values that are used together and for a long time."""
        return [self.empty(shape, dtype) for shape in shapes]

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array of zeros, row-major."""
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

    def set_(self, a: Array, values: Array | float) -> None:
        """Set `a`, an array of this backend's, to `values`: an array of its shape on this device, or a number."""
        with self.current():
            a[...] = values

    def current(self) -> AbstractContextManager[Any]:
        """A block in which the operators of arrays themselves may be used: they compute on the current device."""
        return nullcontext()

    def arena(self, values: int, dtype: str) -> Array:
        """A vector of `values` values that the arrays of a step lie in. `measure` counts those arrays, not the vector.

        Whoever puts an array there, or takes it away, says so by `place`.
        """
        return self.empty((values,), dtype)

    def dtype(self, name: str) -> Any:
        """The namespace's own object for "float32" or "float64"."""
        return getattr(self.xp, name)

    def dtype_name(self, a: Array) -> str:
        """The name of `a`'s dtype, such as "float32"."""
        return str(a.dtype).rsplit(".", 1)[-1]

    def owns(self, x: Any) -> bool:
        """Whether `x` is an array of this backend's library."""
        return isinstance(x, type(self.xp.empty(0, device=self.device)))

    def is_row_major(self, a: Array) -> bool:
        """Whether each row of the matrix `a` lies in memory without gaps, as the kernels require."""
        return True

    def take_rows(self, a: Array, rows: np.ndarray) -> Array:
        """A new array (k, features) of the rows of the matrix `a` that `rows` (k,) lists by number, in its order.

        Raises `IndexError` for a row number outside the matrix.
        """
        if len(rows) and not 0 <= rows.min() <= rows.max() < a.shape[0]:  # a device would wrap, or read elsewhere
            raise IndexError(f"rows must be from 0 to {a.shape[0] - 1}; got {rows.min()} to {rows.max()}")
        return self.xp.take(a, self.asarray(rows), axis=0)

    def uploads(self) -> Uploads | None:
        """Copies of mini-batches to the device ahead of their use; None where that gains nothing."""
        return None

    def watch(self, dtype: str) -> Watch | None:
        """A new watch over the steps of a network of `dtype`; None where the host waits for kernels anyway."""
        return None

    def copies(self) -> Any:
        """What copies between pinned memory of the host and the device; None where arrays are the host's."""
        return None

    def synchronize(self) -> None:
        """Wait until the device has done all work begun."""

    # Memory

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure the array bytes of a block: `with backend.measure() as usage: ...`, then `usage.peak_bytes`."""
        raise MeterError(f"the {self.name} backend has no meter; measure on numpy or cupy")
        yield Usage()

    def place(self, size: int, *, end: int = 0) -> None:
        """Have `measure` count `size` bytes more in use, or fewer below 0; they reach to byte `end` of an arena."""

    def device_memory(self) -> DeviceMemory | None:
        """What the device's memory is used for now; None where arrays lie in the host's memory."""
        return None

    def protect(self, a: Array) -> None:
        """Ask that `a` be read-only until `release`; backends that cannot do so do nothing."""

    def release(self, a: Array) -> None:
        """Let `a` be written to again."""
