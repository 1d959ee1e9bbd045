"""What compiled loops need and Numba cannot say: tiles of products held in registers, vectors copied and transposed.

Each function here is written in LLVM's language for vectors of the width that this machine has, and has a meaning of
its own in compiled code alone. Addresses are whole numbers, so that one record of a job can hold them; `item` is a
value of the dtype meant, float32 or float64, and only its type counts.

Numba keeps compiled code by the date of the file that calls it: after a change here, touch the callers or clear
`__pycache__`.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_FLOATS = {types.float32: (ir.FloatType(), 4), types.float64: (ir.DoubleType(), 8)}


def _vector_bytes() -> int:
    """The widest vectors that multiply and add in one instruction here."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") and features.get("fma") else 16


VECTOR_BYTES = _vector_bytes()
TILE_ROWS = 6 if VECTOR_BYTES == 32 else 8
"""Rows of a tile. With two vectors a row the sums fill 16 of 32 registers, or 12 of the 16 that AVX2 has."""
TILE_VECTORS = 2
"""Vectors in a row of a full tile; a narrow one has one."""

LINE_BYTES = 64
"""Bytes that are fetched from memory together."""


def at(builder: ir.IRBuilder, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: ir.IRBuilder, address: Any, kind: Any, align: int) -> Any:
    value = builder.load(at(builder, address, kind))
    value.align = align
    return value


def _store(builder: ir.IRBuilder, value: Any, address: Any, align: int) -> None:
    builder.store(value, at(builder, address, value.type)).align = align


def _tile_code(n_vectors: int) -> Callable[..., Any]:
    """LLVM code for a tile of `TILE_ROWS` rows and `n_vectors` vectors across."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _, a, a_down, a_along, b, n_terms, out, out_down = arguments
        scalar, item_bytes = _FLOATS[signature.args[0]]
        lanes = VECTOR_BYTES // item_bytes
        vector = ir.VectorType(scalar, lanes)
        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{8 * item_bytes}"
        )
        undefined, everywhere = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        rows = [builder.mul(a_down, _I64(row)) for row in range(TILE_ROWS)]
        before = builder.block
        head, body, after = (builder.append_basic_block(name) for name in ("terms", "term", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k, a_k, b_k = (builder.phi(_I64) for _ in range(3))
        sums = [builder.phi(vector) for _ in range(TILE_ROWS * n_vectors)]
        for phi, start in zip((k, a_k, b_k), (_I64(0), a, b), strict=True):
            phi.add_incoming(start, before)
        for phi in sums:
            phi.add_incoming(ir.Constant(vector, [0.0] * lanes), before)
        builder.cbranch(builder.icmp_signed("<", k, n_terms), body, after)
        builder.position_at_end(body)
        across = [
            _load(builder, builder.add(b_k, _I64(j * VECTOR_BYTES)), vector, item_bytes) for j in range(n_vectors)
        ]
        grown = []
        for row in range(TILE_ROWS):
            value = _load(builder, builder.add(a_k, rows[row]), scalar, item_bytes)
            spread = builder.shuffle_vector(builder.insert_element(undefined, value, _I32(0)), undefined, everywhere)
            grown += [
                builder.call(multiply_add, [spread, across[j], sums[row * n_vectors + j]]) for j in range(n_vectors)
            ]
        k.add_incoming(builder.add(k, _I64(1)), body)
        a_k.add_incoming(builder.add(a_k, a_along), body)
        b_k.add_incoming(builder.add(b_k, _I64(n_vectors * VECTOR_BYTES)), body)
        for phi, value in zip(sums, grown, strict=True):
            phi.add_incoming(value, body)
        builder.branch(head)
        builder.position_at_end(after)
        for row in range(TILE_ROWS):
            start = builder.add(out, builder.mul(out_down, _I64(row)))
            for j in range(n_vectors):
                place = builder.add(start, _I64(j * VECTOR_BYTES))
                _store(builder, sums[row * n_vectors + j], place, item_bytes)
        return context.get_dummy_value()

    return code


@intrinsic
def tile(typing_context, item, a, a_down, a_along, b, n_terms, out, out_down):  # type: ignore[no-untyped-def]
    """out[i, j] := the sum over k of a[i, k] b[k, j], for TILE_ROWS rows i and TILE_VECTORS vectors of columns j.

    a[i, k] is at address a + i a_down + k a_along, and out[i, j] in rows that are out_down apart, in bytes; b is a
    panel without gaps, a row after the other. Terms are added in the order of k, each product rounded with its sum:
    so a value does not depend on the tile that it is computed in.
    """
    return types.void(item, *[types.int64] * 7), _tile_code(TILE_VECTORS)


@intrinsic
def narrow_tile(typing_context, item, a, a_down, a_along, b, n_terms, out, out_down):  # type: ignore[no-untyped-def]
    """`tile` for one vector of columns."""
    return types.void(item, *[types.int64] * 7), _tile_code(1)


@intrinsic
def transpose(typing_context, item, source, source_down, out, out_down):  # type: ignore[no-untyped-def]
    """out := the transpose of the square at `source`, as many rows and columns as a vector has values.

    Rows are source_down and out_down bytes apart.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _, source, source_down, out, out_down = arguments
        scalar, item_bytes = _FLOATS[signature.args[0]]
        lanes = VECTOR_BYTES // item_bytes
        vector = ir.VectorType(scalar, lanes)
        rows = [
            _load(builder, builder.add(source, builder.mul(source_down, _I64(row))), vector, item_bytes)
            for row in range(lanes)
        ]
        # Two rows that are `step` apart swap the halves of each block of 2 step columns that are across from another.
        step = 1
        while step < lanes:
            for row in range(lanes):
                if not row & step:
                    upper, lower = rows[row], rows[row + step]
                    first = [j if not j & step else j - step + lanes for j in range(lanes)]
                    second = [j + step if not j & step else j + lanes for j in range(lanes)]
                    rows[row], rows[row + step] = (
                        builder.shuffle_vector(upper, lower, ir.Constant(ir.VectorType(_I32, lanes), picks))
                        for picks in (first, second)
                    )
            step *= 2
        for row in range(lanes):
            _store(builder, rows[row], builder.add(out, builder.mul(out_down, _I64(row))), item_bytes)
        return context.get_dummy_value()

    return types.void(item, *[types.int64] * 4), code


def _copy_code(values_of: Callable[[int], int]) -> Callable[..., Any]:
    """LLVM code that copies so many values as `values_of` gives for the number of values in a vector."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _, source, out = arguments
        scalar, item_bytes = _FLOATS[signature.args[0]]
        kind = ir.VectorType(scalar, values_of(VECTOR_BYTES // item_bytes))
        _store(builder, _load(builder, source, kind, item_bytes), out, item_bytes)
        return context.get_dummy_value()

    return code


@intrinsic
def copy_across(typing_context, item, source, out):  # type: ignore[no-untyped-def]
    """Copy a row of a panel: TILE_VECTORS vectors."""
    return types.void(item, types.int64, types.int64), _copy_code(lambda lanes: TILE_VECTORS * lanes)


@intrinsic
def copy_down(typing_context, item, source, out):  # type: ignore[no-untyped-def]
    """Copy a value for each row of a tile: TILE_ROWS values."""
    return types.void(item, types.int64, types.int64), _copy_code(lambda lanes: TILE_ROWS)


@intrinsic
def pointer(typing_context, item, address):  # type: ignore[no-untyped-def]
    """A pointer to values like `item` at an address."""
    kind = types.CPointer(item)

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[1], context.get_value_type(kind))

    return kind(item, types.int64), code


def _prefetch(builder: ir.IRBuilder, address: Any, *, write: bool) -> None:
    bytes_at = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [bytes_at, _I32, _I32, _I32])
    ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    nearness = 3 if write else 2
    builder.call(ask, [builder.inttoptr(address, bytes_at), _I32(int(write)), _I32(nearness), _I32(1)])


@intrinsic
def fetch_tile_ahead(typing_context, item, address, down):  # type: ignore[no-untyped-def]
    """Ask for the memory of a tile at an address, in rows `down` bytes apart, which is written to soon."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _, address, down = arguments
        for row in range(TILE_ROWS):
            start = builder.add(address, builder.mul(down, _I64(row)))
            for line in range(0, TILE_VECTORS * VECTOR_BYTES, LINE_BYTES):
                _prefetch(builder, builder.add(start, _I64(line)), write=True)
        return context.get_dummy_value()

    return types.void(item, types.int64, types.int64), code


@intrinsic
def fetch_line_ahead(typing_context, address):  # type: ignore[no-untyped-def]
    """Ask for a line of memory that is read soon. There need not be any at the address."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _prefetch(builder, arguments[0], write=False)
        return context.get_dummy_value()

    return types.void(types.int64), code
