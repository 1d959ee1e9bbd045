"""The compiled kernels as Python has them: the table of codes, records, programs, and single operations.

The layout of a record and the names of all codes come from the loaded library (`operations.h`), so they are defined
once. Arrays reach it by way of `door` alone.
"""

import ctypes
import functools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.limits import thread_count
from backend.numpy.kernels import door
from backend.numpy.kernels.calls import Base, Call, Repeat
from backend.numpy.kernels.loading import kernels_here
from backend.rules import RuleNumbers

SLICE_SECONDS = 0.05
"""How long a call lasts: signal handlers of Python's run between calls only."""

KEPT_SLOTS = {"velocity": "velocity", "mean": "velocity", "square": "square"}
"""The slot of a record, after weight_ or bias_, for each kind of array that an optimizer keeps."""

OFFSET_BITS = 48
NO_RULE = RuleNumbers(0.0)
"""For operations that are no optimizer's."""

_OPERATION_MASK = 2**32 - 1
"""What of a position is an operation; above it is which time that is run."""

NO_ACTIVATION = -1
_NO_MEMORY = _WRONG_REPEAT = -(2**63)
_C_TYPES: dict[str, Any] = {
    "int8_t": ctypes.c_int8,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
}
_VALUE_BITS = {np.dtype("float32"): 32, np.dtype("float64"): 64}


class BadNumber(ArithmeticError):
    """A number that is not finite: of a layer's output (`kind` "forward") or of its error, in layer `layer`."""

    def __init__(self, kind: str, layer: int) -> None:
        what = "output" if kind == "forward" else "error"
        super().__init__(f"the {what} of layer {layer} is not finite any more, NaN or infinite")
        self.kind, self.layer = kind, layer


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
    ) -> "Program":
        """A table as a program for arrays of `dtype`.

        `repeats`: (first, length, times) of records that are run several times, in order; see `Repeat`.

        Raises `ValueError`, which names the record and the slot, unless every record fits `bases` each time it is run.
        """
        return Program(self, table, np.dtype(dtype), bases, repeats)

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
            _VALUE_BITS[dtype],
            self.threads,
            rate,
            momentum,
            1.0,
            rule,
            *mask,
        )
        ended = self.library.engine_run(ctypes.byref(call))
        if ended == _NO_MEMORY:
            raise _no_memory()
        return bool(ended >= 0)


def _codes(names: str) -> dict[str, int]:
    return {name: code for code, name in enumerate(names.split())}


def _no_memory() -> MemoryError:
    return MemoryError("no scratch memory could be had for the kernels; free some, or raise the process's limit")


class Program:
    """A checked table, run as often as wanted. See `Engine.program`."""

    def __init__(
        self,
        engine: Engine,
        table: np.ndarray,
        dtype: np.dtype,
        bases: Sequence[np.ndarray],
        repeats: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        if table.dtype != engine.record_dtype or table.ndim != 1:
            raise ValueError(f"a program is a vector of records, see Engine.records; got {table.dtype}, {table.shape}")
        self._engine, self._value_bits = engine, _VALUE_BITS[dtype]
        self._table = np.array(table)  # what was checked, and nobody else's
        self._repeats = (Repeat * len(repeats))(*(Repeat(*each) for each in repeats))
        self._address = self._table.ctypes.data
        self._names = [f"base {k}" for k in range(1, len(bases) + 1)]
        self._bases = Base * (len(bases) + 1)
        self._pack = struct.Struct(f"{3 * (len(bases) + 1)}q").pack_into
        self._bytes = [0 for _ in bases]
        self._writeable = [bool(a.flags.writeable) for a in bases]
        call, slot = self._call(bases, 0.0, 0.0, NO_RULE, (0, 0)), ctypes.c_int64(-1)
        self._bytes = [call.bases[k].bytes for k in range(1, len(bases) + 1)]
        first_wrong = engine.library.engine_check(ctypes.byref(call), ctypes.byref(slot))
        if first_wrong == _WRONG_REPEAT:
            raise ValueError(f"repeats must be of records, in order, each of two times or more; got {repeats!r:.200}")
        if first_wrong < len(table):
            kind = dict(enumerate(engine.kinds)).get(int(table["kind"][first_wrong]), "unknown")
            what = "its numbers do not fit together" if slot.value < 0 else f"{engine.arrays[slot.value]} does not fit"
            raise ValueError(f"record {first_wrong}, {kind}: {what}: {table[first_wrong]}")

    def __len__(self) -> int:
        return len(self._table)

    def run(
        self,
        bases: Sequence[np.ndarray],
        *,
        rate: float = 0.0,
        momentum: float = 0.0,
        rule: RuleNumbers = NO_RULE,
        mask: tuple[int, int] = (0, 0),
    ) -> None:
        """Run all records, in slices of about SLICE_SECONDS. `bases` as they were checked, of the same bytes or more.

        Raises `BadNumber` after the record that met a number which is not finite, `MemoryError` for want of scratch
        memory before anything was done, and `ValueError` for bases that do not fit.
        """
        call = self._call(bases, rate, momentum, rule, mask)
        while call.first != len(self._table):
            position = self._engine.library.engine_run(ctypes.byref(call))
            if position == _NO_MEMORY:
                raise _no_memory()
            if position < 0:
                record = self._table[-1 - position & _OPERATION_MASK]
                raise BadNumber(list(self._engine.kinds)[record["kind"]], int(record["layer"]))
            call.first = position

    def _call(
        self, bases: Sequence[np.ndarray], rate: float, momentum: float, rule: RuleNumbers, mask: tuple[int, int]
    ) -> Call:
        if len(bases) != len(self._bytes):
            raise ValueError(f"the program was made for {len(self._bytes)} bases; got {len(bases)}")
        align, words = self._value_bits // 8, [0, 0, 0]  # slots count from 1
        for name, array, least, written in zip(self._names, bases, self._bytes, self._writeable, strict=True):
            address, size = door.block(name, array, written=written, align=align)
            if size < least:
                raise door.NotLetIn(f"{name} must have at least {least} bytes; got {size}")
            words += address, size, written
        found = self._bases()
        self._pack(found, 0, *words)
        return Call(
            self._address,
            len(self._table),
            0,
            found,
            len(found),
            self._value_bits,
            self._engine.threads,
            rate,
            momentum,
            SLICE_SECONDS,
            rule,
            *mask,
            self._repeats,
            len(self._repeats),
        )


@functools.cache
def load_engine() -> tuple[Engine | None, str]:
    """The engine and its level's name; or None, and why NumPy's own kernels serve. Raises `BackendUnavailable`."""
    library, level_or_reason = kernels_here()
    return (None if library is None else Engine(library, level_or_reason)), level_or_reason
