"""Products of matrices with what a layer does to them, for one thread's part of a layer; compiled by Numba.

A layer's step is a product and something done to each value of it: the bias and the activation, the derivative, the
sum so far. Here that is done to a strip of a few rows while it is in the first-level cache, so nothing is read or
written twice, and an activation can be turned into the error of its layer where it is. The product itself is a tile
that is summed up in registers, over a matrix and panels: columns of the other, packed without gaps into the
thread's scratch memory.

Each value is summed in one order, that of the terms; a weight gradient in chunks of `CHUNK_ROWS` rows of the batch,
chunk after chunk. So neither the number of threads, nor a cut into rows, nor one of the batch at a multiple of
`CHUNK_ROWS` changes a bit of it.

Design and words (panels, packing): K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication
(2008). Matrices are given by their address and the values from a row to the next; `item` only tells the dtype.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from backend.elementary import exp_of_negative, sigmoid, tanh
from backend.vector_code import (
    TILE_ROWS,
    TILE_VECTORS,
    VECTOR_BYTES,
    copy_across,
    copy_down,
    narrow_tile,
    pointer,
    tile,
    transpose,
)

CHUNK_ROWS = 128
"""Rows of the batch whose part of a weight gradient is summed in registers before it is added to the gradient."""

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


# Packing


@compiled
def _pack(item, source, leading, n_terms, n_columns, panels):  # type: ignore[no-untyped-def]
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
def _pack_transposed(item, source, leading, n_terms, n_columns, panels):  # type: ignore[no-untyped-def]
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
def _pack_rows(item, source, down, along, n_rows, n_terms, out):  # type: ignore[no-untyped-def]
    """Pack fewer rows than a tile has, and zeros for the others; `source` has strides in values."""
    values, packed = pointer(item, source), pointer(item, out)
    for k in range(n_terms):
        for i in range(TILE_ROWS):
            packed[k * TILE_ROWS + i] = values[i * down + k * along] if i < n_rows else 0


@compiled
def _pack_tiles(item, source, leading, n_terms, n_rows, tiles):  # type: ignore[no-untyped-def]
    """Pack the transpose of the matrix at `source`, (n_terms, n_rows), into tiles of TILE_ROWS rows, the last padded."""
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
def _columns_at_once(item, n_terms):  # type: ignore[no-untyped-def]
    """How many columns are packed at a time: whole panels."""
    width = TILE_VECTORS * lanes_of(item)
    return max(width, PANELS_BYTES // item_bytes_of(item) // n_terms // width * width)


@compiled
def _aligned(address):  # type: ignore[no-untyped-def]
    return -(-address // VECTOR_BYTES) * VECTOR_BYTES


@compiled
def _places(item, scratch, n_terms, n_columns):  # type: ignore[no-untyped-def]
    """Where a strip, some packed rows and the panels have their places in the scratch memory; and a strip's width."""
    width = TILE_VECTORS * lanes_of(item)
    across = -(-n_columns // width) * width
    strip = _aligned(scratch)
    rows = _aligned(strip + TILE_ROWS * across * item_bytes_of(item))
    return strip, rows, _aligned(rows + TILE_ROWS * n_terms * item_bytes_of(item)), across


@compiled
def _strip(item, a, down, along, n_rows, panels, n_terms, n_columns, rows, out, across):  # type: ignore[no-untyped-def]
    """out := up to TILE_ROWS rows of `a`, with strides in values, times the packed panels; `across` wide."""
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    if n_rows < TILE_ROWS:
        _pack_rows(item, a, down, along, n_rows, n_terms, rows)
        a, down, along = rows, 1, TILE_ROWS
    for first in range(0, n_columns, width):
        panel, place = panels + first * n_terms * size, out + first * size
        if n_columns - first > width // 2:
            tile(item, a, down * size, along * size, panel, n_terms, place, across * size)
        else:
            narrow_tile(item, a, down * size, along * size, panel, n_terms, place, across * size)


# What is done to a row of a strip


@compiled
def _activate(item, strip, bias, out, n, activation):  # type: ignore[no-untyped-def]
    """out := activation(strip + bias), n values of each; "softmax" is left as it is, and done later."""
    x, b, z = pointer(item, strip), pointer(item, bias), pointer(item, out)
    if activation == 1:
        for j in range(n):
            z[j] = sigmoid(x[j] + b[j])
    elif activation == 2:
        for j in range(n):
            z[j] = tanh(x[j] + b[j])
    elif activation == 3:
        for j in range(n):
            value = x[j] + b[j]
            z[j] = item if value < 0 else value  # NaN is not below 0, and stays
    else:
        for j in range(n):
            z[j] = x[j] + b[j]


@compiled
def _softmax(item, out, n):  # type: ignore[no-untyped-def]
    """out := softmax(out), a row of n values."""
    z = pointer(item, out)
    largest = z[0]
    for j in range(n):
        largest = z[j] if z[j] > largest else largest
    total = 0.0  # float64: the sum of many, each of them rounded once
    for j in range(n):
        e = exp_of_negative(z[j] - largest)
        z[j] = e
        total += e
    share_of_each = type(item)(total)
    for j in range(n):
        z[j] /= share_of_each


@compiled
def _times_derivative(item, strip, a, n, activation):  # type: ignore[no-untyped-def]
    """a := strip * activation'(a), n values of each, the derivative as a function of the activation's output."""
    d, x = pointer(item, strip), pointer(item, a)
    if activation == 1:
        for j in range(n):
            x[j] = d[j] * (x[j] - x[j] * x[j])
    elif activation == 2:
        for j in range(n):
            x[j] = d[j] * ((1 - x[j]) * (1 + x[j]))
    elif activation == 3:
        for j in range(n):
            x[j] = d[j] if x[j] > 0 else item
    else:
        for j in range(n):
            x[j] = d[j]


@compiled
def _add(item, strip, total, n, onto):  # type: ignore[no-untyped-def]
    """total := strip, or with `onto` += it."""
    x, sums = pointer(item, strip), pointer(item, total)
    if onto:
        for j in range(n):
            sums[j] += x[j]
    else:
        for j in range(n):
            sums[j] = x[j]


# The parts of a layer's step


@compiled
def forward(item, a, a_leading, W, b, out, rows, n_in, n_out, activation, part, n_parts, scratch):  # type: ignore[no-untyped-def]
    """out := activation(a W + b), (rows, n_out): this part's rows of it, or columns where there are few rows."""
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    top, bottom, left, right = 0, rows, 0, n_out
    if _by_columns(rows, n_out, width, n_parts) and activation != 4:
        left, right = share(n_out, width, part, n_parts)
    else:
        top, bottom = share(rows, TILE_ROWS, part, n_parts)
    if top == bottom or left == right:
        return
    strip, packed_rows, panels, across = _places(item, scratch, n_in, right - left)
    for first in range(left, right, _columns_at_once(item, n_in)):
        n = min(_columns_at_once(item, n_in), right - first)
        _pack(item, W + first * size, n_out, n_in, n, panels)
        for i in range(top, bottom, TILE_ROWS):
            m = min(TILE_ROWS, bottom - i)
            _strip(item, a + i * a_leading * size, a_leading, 1, m, panels, n_in, n, packed_rows, strip, across)
            for row in range(m):
                place = out + ((i + row) * n_out + first) * size
                _activate(item, strip + row * across * size, b + first * size, place, n, activation)
    if activation == 4:
        for i in range(top, bottom):
            _softmax(item, out + i * n_out * size, n_out)


@compiled
def error_below(  # type: ignore[no-untyped-def]
    item, a, a_leading, delta, W, rows, n_in, n_out, activation, part, n_parts, scratch
):
    """a := (delta W') activation'(a), for the n_in columns at `a` and as many rows of W: this part's of it."""
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    top, bottom, left, right = 0, rows, 0, n_in
    if _by_columns(rows, n_in, width, n_parts):
        left, right = share(n_in, width, part, n_parts)
    else:
        top, bottom = share(rows, TILE_ROWS, part, n_parts)
    if top == bottom or left == right:
        return
    strip, packed_rows, panels, across = _places(item, scratch, n_out, right - left)
    for first in range(left, right, _columns_at_once(item, n_out)):
        n = min(_columns_at_once(item, n_out), right - first)
        _pack_transposed(item, W + first * n_out * size, n_out, n_out, n, panels)
        for i in range(top, bottom, TILE_ROWS):
            m = min(TILE_ROWS, bottom - i)
            _strip(item, delta + i * n_out * size, n_out, 1, m, panels, n_out, n, packed_rows, strip, across)
            for row in range(m):
                place = a + ((i + row) * a_leading + first) * size
                _times_derivative(item, strip + row * across * size, place, n, activation)


@compiled
def weight_gradient(item, a, a_leading, delta, out, rows, n_in, n_out, onto, part, n_parts, scratch):  # type: ignore[no-untyped-def]
    """out := a' delta, (n_in, n_out), or with `onto` += it: this part's rows or columns, whichever are more."""
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    top, bottom, left, right = 0, n_in, 0, n_out
    if n_out > n_in:
        left, right = share(n_out, width, part, n_parts)
    else:
        top, bottom = share(n_in, TILE_ROWS, part, n_parts)
    if top == bottom or left == right:
        return
    strip, packed_rows, panels, across = _places(item, scratch, CHUNK_ROWS, right - left)
    tiles = _aligned(panels + PANELS_BYTES)
    for start in range(0, rows, CHUNK_ROWS):
        n_terms = min(CHUNK_ROWS, rows - start)
        for first in range(left, right, _columns_at_once(item, CHUNK_ROWS)):
            n = min(_columns_at_once(item, CHUNK_ROWS), right - first)
            _pack(item, delta + (start * n_out + first) * size, n_out, n_terms, n, panels)
            for low in range(top, bottom, GRADIENT_ROWS):
                high = min(bottom, low + GRADIENT_ROWS)
                here = a + (start * a_leading + low) * size
                if n > width:  # a tile's terms are used for more than one panel
                    _pack_tiles(item, here, a_leading, n_terms, high - low, tiles)
                for i in range(low, high, TILE_ROWS):
                    m = min(TILE_ROWS, high - i)
                    if n > width:
                        packed = tiles + (i - low) * n_terms * size
                        _strip(item, packed, 1, TILE_ROWS, TILE_ROWS, panels, n_terms, n, packed_rows, strip, across)
                    else:
                        place = here + (i - low) * size
                        _strip(item, place, 1, a_leading, m, panels, n_terms, n, packed_rows, strip, across)
                    for row in range(m):
                        place = out + ((i + row) * n_out + first) * size
                        _add(item, strip + row * across * size, place, n, onto or start > 0)


@compiled
def bias_gradient(item, delta, out, rows, n_out, onto, part, n_parts):  # type: ignore[no-untyped-def]
    """out := the sum of delta's rows, first to last, or with `onto` += it: this part's columns."""
    left, right = share(n_out, lanes_of(item), part, n_parts)
    d, sums = pointer(item, delta), pointer(item, out)
    if not onto:
        for j in range(left, right):
            sums[j] = 0
    for i in range(rows):
        for j in range(left, right):
            sums[j] += d[i * n_out + j]


@compiled
def _by_columns(rows, n, width, n_parts):  # type: ignore[no-untyped-def]
    """Whether a product is cut by its columns: with few rows, to pack the other matrix only once among all."""
    return rows <= FEW_ROWS and n >= n_parts * width and n_parts > 1


FEW_ROWS = 512


@compiled
def all_finite(item, values, n):  # type: ignore[no-untyped-def]
    """Whether none of n values is NaN or infinite: either one less itself is NaN, and so is a sum with it."""
    v = pointer(item, values)
    total = item
    for i in range(n):
        total += v[i] - v[i]
    return total == 0


@compiled
def apply_gradient(item, w, g, n, rate, part, n_parts):  # type: ignore[no-untyped-def]
    """w -= rate * g, of n values: this part's of them."""
    left, right = share(n, lanes_of(item), part, n_parts)
    weights, gradient, factor = pointer(item, w), pointer(item, g), type(item)(rate)
    for i in range(left, right):
        weights[i] -= factor * gradient[i]


@compiled
def apply_momentum(item, w, v, g, n, rate, momentum, part, n_parts):  # type: ignore[no-untyped-def]
    """v := momentum * v - rate * g, then w += v, of n values: this part's of them."""
    left, right = share(n, lanes_of(item), part, n_parts)
    weights, velocity, gradient = pointer(item, w), pointer(item, v), pointer(item, g)
    factor, kept = type(item)(rate), type(item)(momentum)
    for i in range(left, right):
        velocity[i] = kept * velocity[i] - factor * gradient[i]
        weights[i] += velocity[i]


ITEMS = (np.float32(0), np.float64(0))
