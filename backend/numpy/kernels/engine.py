"""The compiled kernels as Python has them: the table of codes, records, and single operations.

The layout of a record and the names of all codes come from the loaded library (`operations.h`), so they are defined
once. Arrays reach it by way of `door` alone.
"""

import ctypes
import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from backend.limits import thread_count
from backend.numpy.kernels.calls import NO_MEMORY, NO_RULE, VALUE_BITS, Base, Call, no_memory
from backend.numpy.kernels.loading import kernels_here
from backend.numpy.kernels.program import Program
from backend.rules import RuleNumbers

KEPT_SLOTS = {"velocity": "velocity", "mean": "velocity", "square": "square"}
"""The slot of a record, after weight_ or bias_, for each kind of array that an optimizer keeps."""

OFFSET_BITS = 48
NO_ACTIVATION = -1
_C_TYPES: dict[str, Any] = {
    "int8_t": ctypes.c_int8,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
}

MOST_THREADS = 64
"""As in team.h."""


class Engine:
    """The kernels of a loaded library. `threads` is the most that an operation is given; it may be set."""

    def __init__(self, library: ctypes.CDLL, level: str) -> None:
        self.level, self.threads = level, min(thread_count(), MOST_THREADS)
        whole, pointer, number = ctypes.c_int64, ctypes.c_void_p, ctypes.c_double
        library.engine_layout.restype = ctypes.c_char_p
        for name, returned, *taken in (
            ("engine_record_bytes", whole),
            ("engine_threads", whole),
            ("engine_run", whole, pointer),
            ("engine_check", whole, pointer, pointer),
            ("engine_all_finite", whole, pointer, whole, whole),
            ("engine_cost", number, whole, pointer, whole, pointer, whole, pointer, whole, whole, whole),
            ("engine_gradient_norm", number, pointer, whole, pointer, whole, whole),
            ("engine_count_correct", whole, pointer, whole, pointer, whole, whole, whole, whole),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = returned, taken
        self.library = library
        fields, kinds, activations, costs, arrays, numbers = library.engine_layout().decode().split("\n")
        pairs = [field.split(":") for field in fields.split()]
        record = type("_Record", (ctypes.Structure,), {"_fields_": [(name, _C_TYPES[kind]) for name, kind in pairs]})
        self._record: Any = record
        self.record_dtype = np.dtype([(name, kind.removesuffix("_t")) for name, kind in pairs])
        self.arrays = arrays.split()
        if tuple(numbers.split()) != RuleNumbers._fields:
            raise AssertionError(f"C and Python know other numbers of rules: {numbers}")
        self.kinds = _codes(kinds)
        self.activations = {name.replace("_", "-"): code for name, code in _codes(activations).items()}
        self.costs = {name.replace("_", "-"): code for name, code in _codes(costs).items()}
        bytes_of_all = {ctypes.sizeof(record), self.record_dtype.itemsize, library.engine_record_bytes()}
        if len(bytes_of_all) > 1:
            raise AssertionError(f"C, ctypes and NumPy lay a record out in other bytes: {bytes_of_all}")
        self._no_base = (Base * 1)()

    def records(self, n: int) -> np.ndarray:
        """A table of `n` records, all zeros; fill its columns, and make a `program` of it."""
        return np.zeros(n, self.record_dtype)

    def program(
        self,
        table: np.ndarray,
        *,
        dtype: str,
        bases: Sequence[np.ndarray],
        repeats: Sequence[tuple[int, int, int]] = (),
        steady: Collection[int] = (),
    ) -> Program:
        """A table as a program for arrays of `dtype`.

        `repeats`: (first, length, times) of records that are run several times, in order; see `Repeat`. `steady`: the
        places in `bases` of arrays that nobody but the caller has, so that the same array lies where it lay.

        Raises `ValueError`, which names the record and the slot, unless every record fits `bases` each time it is run.
        """
        return Program(self, table, np.dtype(dtype), bases, repeats, steady)

    def run_one(
        self,
        dtype: np.dtype,
        kind: str,
        rule: RuleNumbers = NO_RULE,
        mask: tuple[int, int] = (0, 0),
        /,
        *,
        rate: float = 0.0,
        momentum: float = 0.0,
        **fields: int,
    ) -> bool:
        """Do one operation; each array's field is an address that `door` returned.

        `mask`: the seed and the step that dropout's mask follows from.

        With a `layer`, returns whether the numbers that the operation checks are finite; True without.

        Raises `MemoryError` where no scratch memory can be had; nothing was done then.
        """
        record = self._record(kind=self.kinds[kind], **fields)
        call = Call(
            ctypes.addressof(record),
            1,
            0,
            self._no_base,
            1,
            VALUE_BITS[dtype],
            self.threads,
            rate,
            momentum,
            1.0,
            rule,
            *mask,
        )
        ended = self.library.engine_run(ctypes.byref(call))
        if ended == NO_MEMORY:
            raise no_memory()
        return bool(ended >= 0)


def _codes(names: str) -> dict[str, int]:
    return {name: code for code, name in enumerate(names.split())}


@functools.cache
def load_engine() -> tuple[Engine | None, str]:
    """The engine and its level's name; or None, and why NumPy's own kernels serve. Raises `BackendUnavailable`."""
    library, level_or_reason = kernels_here()
    return (None if library is None else Engine(library, level_or_reason)), level_or_reason
