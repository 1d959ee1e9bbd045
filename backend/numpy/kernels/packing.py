"""How matrices are packed for tiles, and cut among threads; compiled by Numba.

A tile multiplies some rows of one matrix with a panel of the other: as many columns as the tile has, without gaps,
padded with zeros where there are fewer. Panels, and what else is packed, lie in a thread's scratch memory. Matrices are
given by their address and the values from a row to the next; `item` only tells the dtype.
"""

from typing import Any

from numba import njit, types
from numba.extending import overload

from backend.facts import CHUNK_ROWS
from backend.numpy.kernels.vector_code import (
    TILE_ROWS,
    TILE_VECTORS,
    VECTOR_BYTES,
    copy_across,
    copy_down,
    pointer,
    transpose,
)

PANELS_BYTES = 2**19
"""Scratch memory for packed panels, at least; half of a second-level cache. One panel is packed whole in any case."""

GRADIENT_ROWS = 48 * 8
"""Rows of a weight gradient, at most, whose terms are packed at a time."""

compiled = njit(nogil=True, fastmath={"contract"}, error_model="numpy", cache=True)


def lanes_of(item: Any) -> int:
    """How many values like `item` a vector has."""
    raise NotImplementedError("for compiled code only")


@overload(lanes_of)
def _lanes_of(item):  # type: ignore[no-untyped-def]
    lanes = VECTOR_BYTES // (4 if item == types.float32 else 8)
    return lambda item: lanes


@compiled
def item_bytes_of(item):  # type: ignore[no-untyped-def]
    """The bytes of `item`."""
    return VECTOR_BYTES // lanes_of(item)


@compiled
def scratch_bytes(item, n_terms, n_columns):  # type: ignore[no-untyped-def]
    """The bytes of scratch memory that a product of so many terms with so many columns takes."""
    strip = TILE_ROWS * (n_columns + TILE_VECTORS * lanes_of(item))
    panels = max(PANELS_BYTES // item_bytes_of(item), n_terms * TILE_VECTORS * lanes_of(item))
    tiles = GRADIENT_ROWS * CHUNK_ROWS
    return (strip + TILE_ROWS * n_terms + panels + tiles) * item_bytes_of(item) + 4 * VECTOR_BYTES


@compiled
def share(n, unit, part, n_parts):  # type: ignore[no-untyped-def]
    """From where to where part number `part` of `n` goes, cut at multiples of `unit`."""
    units = -(-n // unit)
    return min(n, units * part // n_parts * unit), min(n, units * (part + 1) // n_parts * unit)


@compiled
def pack(item, source, leading, n_terms, n_columns, panels):  # type: ignore[no-untyped-def]
    """Pack the matrix at `source`, (n_terms, n_columns), into panels as wide as a tile, the last one perhaps narrow."""
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    values, packed = pointer(item, source), pointer(item, panels)
    whole = n_columns // width * width
    for k in range(n_terms):  # along the rows, as memory is fetched ahead
        for first in range(0, whole, width):
            place = panels + (first * n_terms + k * width) * size
            copy_across(item, source + (k * leading + first) * size, place)
    if whole < n_columns:
        left = n_columns - whole
        across = width if left > width // 2 else width // 2
        for k in range(n_terms):
            for j in range(left):
                packed[whole * n_terms + k * across + j] = values[k * leading + whole + j]
            for j in range(left, across):
                packed[whole * n_terms + k * across + j] = 0


@compiled
def pack_transposed(item, source, leading, n_terms, n_columns, panels):  # type: ignore[no-untyped-def]
    """Pack the transpose of the matrix at `source`, which is (n_columns, n_terms), in the same way."""
    lanes = lanes_of(item)
    width, size = TILE_VECTORS * lanes, item_bytes_of(item)
    values, packed = pointer(item, source), pointer(item, panels)
    squares = n_terms // lanes * lanes
    for first in range(0, n_columns, width):
        left = n_columns - first
        across = width if left > width // 2 else width // 2
        start = first * n_terms
        for j in range(0, across, lanes):
            if j + lanes <= left:
                for k in range(0, squares, lanes):
                    place = panels + (start + k * across + j) * size
                    transpose(item, source + ((first + j) * leading + k) * size, leading * size, place, across * size)
                for k in range(squares, n_terms):
                    for i in range(lanes):
                        packed[start + k * across + j + i] = values[(first + j + i) * leading + k]
                continue
            for k in range(n_terms):
                for i in range(lanes):
                    inside = j + i < left
                    packed[start + k * across + j + i] = values[(first + j + i) * leading + k] if inside else 0


@compiled
def pack_rows(item, source, down, along, n_rows, n_terms, out):  # type: ignore[no-untyped-def]
    """Pack fewer rows than a tile has, and zeros for the others; `source` has strides in values."""
    values, packed = pointer(item, source), pointer(item, out)
    for k in range(n_terms):
        for i in range(TILE_ROWS):
            packed[k * TILE_ROWS + i] = values[i * down + k * along] if i < n_rows else 0


@compiled
def pack_tiles(item, source, leading, n_terms, n_rows, tiles):  # type: ignore[no-untyped-def]
    """Pack the transpose of the matrix at `source`, (n_terms, n_rows), for tiles of TILE_ROWS rows, the last padded."""
    size = item_bytes_of(item)
    values, packed = pointer(item, source), pointer(item, tiles)
    whole = n_rows // TILE_ROWS * TILE_ROWS
    for k in range(n_terms):
        for i in range(0, whole, TILE_ROWS):
            copy_down(item, source + (k * leading + i) * size, tiles + (i * n_terms + k * TILE_ROWS) * size)
    if whole < n_rows:
        for k in range(n_terms):
            for i in range(TILE_ROWS):
                inside = whole + i < n_rows
                packed[whole * n_terms + k * TILE_ROWS + i] = values[k * leading + whole + i] if inside else 0


@compiled
def columns_at_once(item, n_terms):  # type: ignore[no-untyped-def]
    """How many columns are packed at a time: whole panels."""
    width = TILE_VECTORS * lanes_of(item)
    return max(width, PANELS_BYTES // item_bytes_of(item) // n_terms // width * width)


@compiled
def aligned(address):  # type: ignore[no-untyped-def]
    return -(-address // VECTOR_BYTES) * VECTOR_BYTES


@compiled
def places(item, scratch, n_terms, n_columns):  # type: ignore[no-untyped-def]
    """Where a strip, some packed rows and the panels have their places in the scratch memory; and a strip's width."""
    width = TILE_VECTORS * lanes_of(item)
    across = -(-n_columns // width) * width
    strip = aligned(scratch)
    rows = aligned(strip + TILE_ROWS * across * item_bytes_of(item))
    return strip, rows, aligned(rows + TILE_ROWS * n_terms * item_bytes_of(item)), across
