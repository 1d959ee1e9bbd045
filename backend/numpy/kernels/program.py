"""A program as Python has it: records that were checked once, and the call that runs them again and again.

What does not change from one run to the next is made once: the call, and the addresses of arrays that lie where they
lay. A run looks at what may have changed, and sets it.
"""

import ctypes
import struct
import weakref
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from backend.numpy.kernels import door
from backend.numpy.kernels.calls import NO_MEMORY, NO_RULE, VALUE_BITS, WRONG_REPEAT, Base, Call, Repeat, no_memory
from backend.rules import RuleNumbers

SLICE_SECONDS = 0.05
"""How long a call lasts: signal handlers of Python's run between calls only."""

_OPERATION_MASK = 2**32 - 1
"""What of a position is an operation; above it is which time that is run."""

_put_base = struct.Struct("3q").pack_into  # at once: fields of ctypes are set one by one


class BadNumber(ArithmeticError):
    """A number that is not finite, which a record of `kind` met in layer `layer`.

    It is of the layer's output where `kind` is "forward", of its input for "check_inputs", and of its error otherwise.
    """

    def __init__(self, kind: str, layer: int) -> None:
        what = {"forward": "output", "check_inputs": "input"}.get(kind, "error")
        super().__init__(f"the {what} of layer {layer} is not finite any more, NaN or infinite")
        self.kind, self.layer = kind, layer


class _Ready:
    """A call of a program, for one run at a time, and the steady arrays whose addresses it has."""

    def __init__(self, n_bases: int, **fields: Any) -> None:
        self.bases = (Base * (n_bases + 1))()  # slots count from 1
        self.call = Call(bases=self.bases, n_bases=n_bases + 1, **fields)
        self.reference = ctypes.byref(self.call)
        self.rule: RuleNumbers | None = None
        self.steady: list[Any] = [_nothing] * n_bases


def _nothing() -> None:
    """Stands for a reference to an array that is no more."""


class Program:
    """A checked table, run as often as wanted. See `Engine.program`."""

    def __init__(
        self,
        engine: Any,
        table: np.ndarray,
        dtype: np.dtype,
        bases: Sequence[np.ndarray],
        repeats: Sequence[tuple[int, int, int]] = (),
        steady: Collection[int] = (),
    ) -> None:
        if table.dtype != engine.record_dtype or table.ndim != 1:
            raise ValueError(f"a program is a vector of records, see Engine.records; got {table.dtype}, {table.shape}")
        self._engine, self._value_bits = engine, VALUE_BITS[dtype]
        self._table, self._length = np.array(table), len(table)  # what is checked, and nobody else's
        self._repeats = (Repeat * len(repeats))(*(Repeat(*each) for each in repeats))
        self._address = self._table.ctypes.data
        self._names = [f"base {k}" for k in range(1, len(bases) + 1)]
        self._bytes = [0 for _ in bases]
        self._writeable = [bool(a.flags.writeable) for a in bases]
        self._is_steady = [k in steady for k in range(len(bases))]
        self._idle: list[_Ready] = []
        ready, slot = self._ready(bases), ctypes.c_int64(-1)
        self._bytes = [ready.bases[k].bytes for k in range(1, len(bases) + 1)]
        first_wrong = engine.library.engine_check(ready.reference, ctypes.byref(slot))
        if first_wrong == WRONG_REPEAT:
            raise ValueError(f"repeats must be of records, in order, each of two times or more; got {repeats!r:.200}")
        if first_wrong < len(table):
            kind = dict(enumerate(engine.kinds)).get(int(table["kind"][first_wrong]), "unknown")
            what = "its numbers do not fit together" if slot.value < 0 else f"{engine.arrays[slot.value]} does not fit"
            raise ValueError(f"record {first_wrong}, {kind}: {what}: {table[first_wrong]}")
        self._idle.append(ready)

    def __len__(self) -> int:
        return self._length

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
        ready = self._ready(bases)
        call, engine, length = ready.call, self._engine, self._length
        call.threads, call.rate, call.momentum, call.seconds = engine.threads, rate, momentum, SLICE_SECONDS
        call.seed, call.step = mask
        if rule is not ready.rule:
            call.rule = ready.rule = rule
        position = 0
        while position != length:
            call.first = position
            position = engine.library.engine_run(ready.reference)
            if position == NO_MEMORY:
                raise no_memory()
            if position < 0:
                record = self._table[-1 - position & _OPERATION_MASK]
                raise BadNumber(list(engine.kinds)[record["kind"]], int(record["layer"]))
        self._idle.append(ready)

    def _ready(self, bases: Sequence[np.ndarray]) -> _Ready:
        """A call on `bases` that no other run has; whoever takes it puts it back among the idle ones."""
        if len(bases) != len(self._bytes):
            raise ValueError(f"the program was made for {len(self._bytes)} bases; got {len(bases)}")
        try:
            ready = self._idle.pop()
        except IndexError:  # the first time, after an error, or while another thread runs
            ready = _Ready(
                len(bases),
                operations=self._address,
                n_operations=self._length,
                value_bits=self._value_bits,
                repeats=self._repeats,
                n_repeats=len(self._repeats),
            )
        align, known = self._value_bits // 8, ready.steady
        for k, array in enumerate(bases):
            if known[k]() is array:
                continue
            name, least, written = self._names[k], self._bytes[k], self._writeable[k]
            address, size = door.block(name, array, written=written, align=align)
            if size < least:
                raise door.NotLetIn(f"{name} must have at least {least} bytes; got {size}")
            _put_base(ready.bases, ctypes.sizeof(Base) * (k + 1), address, size, written)
            if self._is_steady[k]:
                known[k] = weakref.ref(array)
        return ready
