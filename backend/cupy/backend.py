"""The CuPy backend: a CUDA device, in-place kernels of our own, and a meter and a limit that count its bytes exactly.

Every array comes from the device's `DevicePool`, and no kernel of a training step allocates. CuPy is imported when a
`CupyBackend` is made.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from backend.cupy.copying import CopyingStream
from backend.cupy.detection import import_cupy, usable_device
from backend.cupy.kernels import elementwise, optimizers, reports, sums
from backend.cupy.kernels.cublas import cublas_facts
from backend.cupy.kernels.dropping import drop_columns
from backend.cupy.kernels.gemm import gemm
from backend.cupy.kernels.halves import narrow, widen
from backend.cupy.kernels.layout import leading_dimension
from backend.cupy.kernels.softmax import add_bias_softmax
from backend.cupy.pool import pool_of
from backend.cupy.steps import CupySteps
from backend.cupy.totals import TOTAL_VALUES, CupyCostTotal
from backend.cupy.uploads import CupyUploads
from backend.dropping import Drop
from backend.facts import FACTS
from backend.halves import HALF
from backend.memory import DeviceMemory, Usage
from backend.rules import RuleNumbers


class CupyBackend(CupySteps):
    """CuPy on the CUDA device of number `device`, the first unless told otherwise.

    Matrices are row-major, and may be some rows or columns of another; see `backend.cupy.kernels.layout`. Kernels run
    on the current stream. Raises `BackendUnavailable` where CuPy, a driver or the device is missing or cannot compute.
    """

    facts = FACTS["cupy"]

    tf32 = False
    """Whether products of float32 are in TF32."""

    def __init__(self, *, device: int | None = None) -> None:
        number = usable_device(device)
        self._cupy = import_cupy()
        import array_api_compat.cupy

        self._pool = pool_of(number)
        super().__init__(array_api_compat.cupy, self._pool.device)

    @property
    def device_name(self) -> str:
        """The device's number and its product name."""
        name = self._cupy.cuda.runtime.getDeviceProperties(self.device.id)["name"].decode()
        return f"CUDA device {self.device.id}, {name}"

    def in_tf32(self) -> "CupyBackend":
        """This backend, on the same device and pool, with products of float32 in TF32 by a cuBLAS handle of its own."""
        other = copy.copy(self)
        other.tf32 = True
        return other

    @property
    def arithmetic(self) -> dict[str, str]:
        with self.device:
            return cublas_facts()

    # Arrays in and out

    def asarray(self, x: Any, dtype: str | None = None) -> Any:
        with self._pool.allocating():
            return self._cupy.asarray(x, dtype=dtype)

    def to_numpy(self, a: Any) -> np.ndarray:
        with self._pool.allocating():  # some columns of a matrix are gathered on the device first
            host: np.ndarray = self._cupy.asnumpy(a)
            return host

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        kind = np.dtype(dtype)
        with self.device:
            return self._cupy.ndarray(shape, kind, memptr=self._pool.malloc(prod(shape) * kind.itemsize))

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        a = self.empty(shape, dtype)
        with self.device:
            a.data.memset_async(0, a.nbytes)
        return a

    def current(self) -> Any:
        return self.device  # CuPy copies by a kernel where a side is 1, and refuses another device's arrays there

    def arena(self, values: int, dtype: str) -> Any:
        with self.device:
            return self._pool.arena(values, np.dtype(dtype))

    def take_rows(self, a: Any, rows: np.ndarray) -> Any:
        with self._pool.allocating():
            return super().take_rows(a, rows)

    def owns(self, x: Any) -> bool:
        """Whether `x` is a CuPy array on this backend's device."""
        return isinstance(x, self._cupy.ndarray) and x.data.device_id == self.device.id

    def dtype_name(self, a: Any) -> str:
        return str(a.dtype.name)

    def is_row_major(self, a: Any) -> bool:
        return leading_dimension(a) is not None

    def uploads(self) -> CupyUploads:
        return CupyUploads(self)

    def copies(self) -> CopyingStream:
        return CopyingStream(self.device)

    def synchronize(self) -> None:
        self.device.synchronize()

    # Memory

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure the pool's bytes in use; see `Backend.measure`. Blocks may be nested, in one thread."""
        with self._pool.meter.measure() as usage:
            yield usage

    @property
    def measuring(self) -> bool:  # type: ignore[override]
        return self._pool.meter.is_open

    def device_memory(self) -> DeviceMemory:
        """What the device's memory is used for now: the pool's bytes, and those outside the pool."""
        return self._pool.memory

    def place(self, size: int, *, end: int = 0) -> None:
        self._pool.meter.place(size, end)

    def give_back(self) -> None:
        """Return memory that no array uses to the driver, for others who want it."""
        self._pool.give_back()

    @property
    def limit_bytes(self) -> int | None:
        """The most bytes that arrays on this device may take at once; None for no limit but the device's.

        An allocation past it raises `OutOfDeviceMemory`. It applies to all backends of the device in this process.
        """
        return self._pool.limit_bytes

    @limit_bytes.setter
    def limit_bytes(self, limit: int | None) -> None:
        self._pool.limit_bytes = limit

    # Kernels

    def matmul(self, a: Any, b: Any, *, out: Any) -> None:
        with self.device:
            gemm(a, b, out=out, tf32=self.tf32)

    def add_bias_activate_(self, z: Any, b: Any, activation: str) -> None:
        with self.device:
            if activation == "softmax":
                add_bias_softmax(z, b)
            else:
                elementwise.add_bias_activate(z, b, activation)

    def output_delta_(self, a: Any, y: Any, activation: str) -> None:
        with self.device:
            elementwise.output_delta(a, y, activation)

    def hidden_delta_(self, a: Any, d: Any, activation: str, columns: slice = slice(None)) -> None:
        with self.device:
            elementwise.hidden_delta(a, d, activation, columns)

    def sum_rows(self, d: Any, *, out: Any, onto: bool = False, factor: float = 1.0, keep: float = 1.0) -> None:
        with self.device:
            sums.sum_rows(d, out=out, scratch=self._pool.scratch(), onto=onto, factor=factor, keep=keep)

    def add_product_(self, total: Any, a: Any, b: Any, *, factor: float = 1.0, keep: float = 1.0) -> None:
        with self.device:
            gemm(a, b, out=total, alpha=factor, beta=keep, tf32=self.tf32)

    def apply_gradient_(self, w: Any, g: Any, rate: float) -> None:
        with self.device:
            elementwise.apply_gradient(w, g, rate)

    def apply_momentum_(self, w: Any, v: Any, g: Any, rate: float, momentum: float) -> None:
        with self.device:
            elementwise.apply_momentum(w, v, g, rate, momentum)

    def apply_rule_(self, w: Any, g: Any, kept: Sequence[Any], rule: str, numbers: RuleNumbers) -> None:
        with self.device:
            optimizers.apply_rule(w, g, kept, rule, numbers)

    def gradient_norm(self, weight: Any, bias: Any) -> float:
        with self.device, self._pool.answer as answer:
            return optimizers.gradient_norm(weight, bias, self._pool.scratch(), answer)

    def all_finite(self, v: Any) -> bool:
        with self.device, self._pool.answer as answer:
            return sums.count_not_finite(v, answer) == 0

    # What is reported of a network's output

    def drop_(self, a: Any, drop: Drop, columns: slice = slice(None), *, undo: bool = False) -> None:
        with self.device:
            drop_columns(a, drop, columns, undo=undo)

    def as_halves(self, values: Any, shape: tuple[int, ...]) -> Any:
        with self.device:
            return values.view(HALF)[: prod(shape)].reshape(shape)

    def narrow_(self, halves: Any, x: Any, kind: str) -> None:
        with self.device:
            narrow(halves, x, kind)

    def widen_(self, x: Any, halves: Any, kind: str) -> None:
        with self.device:
            widen(x, halves, kind)

    def scale_rows_(self, d: Any, weights: Any) -> None:
        with self.device:
            elementwise.scale_rows(d, weights)

    def divide_bytes_(self, a: Any, numbers: Any, divisor: float) -> None:
        with self.device:
            elementwise.divide_bytes(a, numbers, divisor)

    def cost_sum(self, a: Any, y: Any, cost: str, weights: Any = None) -> float:
        with self.device:
            return reports.cost_sum(a, y, cost, weights, self.empty)

    def cost_total(self) -> CupyCostTotal:
        return CupyCostTotal(self.zeros((TOTAL_VALUES,), "float64"), self.device)

    def count_correct(self, a: Any, y: Any) -> int:
        with self.device:
            return reports.count_correct(a, y, self.empty)
