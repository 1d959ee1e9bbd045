"""Words of 64 bits that threads share, and calls by address, for compiled loops; written in LLVM's language.

Every load, store and swap here is sequentially consistent: all threads see them in one order.
"""

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from backend.numpy.kernels.vector_code import at

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def load_word(typing_context, address):  # type: ignore[no-untyped-def]
    """The word at an address."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(at(builder, arguments[0], _I64), "seq_cst", 8)

    return types.int64(types.int64), code


@intrinsic
def store_word(typing_context, address, value):  # type: ignore[no-untyped-def]
    """Set the word at an address."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], at(builder, arguments[0], _I64), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@intrinsic
def swap_word(typing_context, address, expected, value):  # type: ignore[no-untyped-def]
    """Set the word at an address to `value` if it is `expected`; whether it was."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        address, expected, value = arguments
        found = builder.cmpxchg(at(builder, address, _I64), expected, value, "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), code


@intrinsic
def pause(typing_context):  # type: ignore[no-untyped-def]
    """Wait a little, and leave the core's shared parts to whoever else runs on it."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        triple = binding.get_process_triple()
        if triple.startswith(("x86_64", "i")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        elif triple.startswith(("aarch64", "arm64")):
            kind = ir.FunctionType(ir.VoidType(), [_I32])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint"), [_I32(1)])
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def call(typing_context, function, words, part):  # type: ignore[no-untyped-def]
    """Call the compiled function at an address with two whole numbers."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        function, words, part = arguments
        builder.call(at(builder, function, ir.FunctionType(ir.VoidType(), [_I64, _I64])), [words, part])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


yield_core = types.ExternalFunction("sched_yield", types.int32())
"""Let another thread have this core, if one waits for it."""
