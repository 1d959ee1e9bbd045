"""What a call of the compiled kernels is given, as `program.h` has it."""

import ctypes

import numpy as np

from backend.rules import RuleNumbers

VALUE_BITS = {np.dtype("float32"): 32, np.dtype("float64"): 64}
"""The bits of a value, by dtype."""

NO_RULE = RuleNumbers(0.0)
"""For operations that are no optimizer's."""

NO_MEMORY = WRONG_REPEAT = -(2**63)
"""What a call answers before anything was done: there is no scratch memory, and a check: repeats are no repeats."""


class Base(ctypes.Structure):
    """An array: where its bytes begin, and how many there are."""

    _fields_ = (("address", ctypes.c_void_p), ("bytes", ctypes.c_int64), ("writable", ctypes.c_int64))


class Repeat(ctypes.Structure):
    """Operations that are run `times` times in a row, each time on the next rows.

    `length` of them from `first` on are the first time, and as many after them the second one; what moves on between
    these two moves on as much each time.
    """

    _fields_ = (("first", ctypes.c_int64), ("length", ctypes.c_int64), ("times", ctypes.c_int64))


class Call(ctypes.Structure):
    """Operations to run, on which arrays and with which numbers."""

    _fields_ = (
        ("operations", ctypes.c_void_p),
        ("n_operations", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("bases", ctypes.POINTER(Base)),
        ("n_bases", ctypes.c_int64),
        ("value_bits", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("rate", ctypes.c_double),
        ("momentum", ctypes.c_double),
        ("seconds", ctypes.c_double),
        ("rule", ctypes.c_double * len(RuleNumbers._fields)),
        ("seed", ctypes.c_uint64),
        ("step", ctypes.c_uint64),
        ("repeats", ctypes.POINTER(Repeat)),
        ("n_repeats", ctypes.c_int64),
    )


def no_memory() -> MemoryError:
    """The error for a call that answered NO_MEMORY."""
    return MemoryError("no scratch memory could be had for the kernels; free some, or raise the process's limit")
