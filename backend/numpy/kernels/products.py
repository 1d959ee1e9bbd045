"""Products of matrices with what a layer does to them, for one thread's part of a layer; compiled by Numba.

A layer's step is a product and something done to each value of it: the bias and the activation, the derivative, the
sum so far. Here that is done to a strip of a few rows while it is in the first-level cache, so nothing is read or
written twice, and an activation can be turned into the error of its layer where it is. The product itself is a tile
that is summed up in registers, over a matrix and panels: columns of the other, packed without gaps into the
thread's scratch memory.

Each value is summed in one order, that of the terms; a weight gradient in chunks of `CHUNK_ROWS` rows of the batch,
chunk after chunk. So neither the number of threads, nor a cut into rows, nor one of the batch at a multiple of
`CHUNK_ROWS` changes a bit of it.

Why not BLAS's products, and passes over memory after them: on two cores with AVX-512, OpenBLAS made 1.8 to 2.0 10^11
operations a second in the products of a batch of 4,096 by layers of 256, and 1.3 to 1.5 10^11 in those of blocks of 128
rows; these make 2.0 and 1.9 10^11, with the bias, the sigmoid and the derivative done. The bias and the sigmoid alone
take 0.5 ns a value in a compiled pass of their own, 1.2 ns in NumPy's, and 3 to 5 ns in numexpr's. Where a product runs
on other hardware than the cores' vectors, as Apple's does, BLAS's may be the faster all the same.

Design and words (panels, packing): K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication
(2008). Matrices are given by their address and the values from a row to the next; `item` only tells the dtype.
"""

from backend.facts import CHUNK_ROWS
from backend.numpy.kernels.packing import (
    GRADIENT_ROWS,
    PANELS_BYTES,
    aligned,
    columns_at_once,
    compiled,
    item_bytes_of,
    lanes_of,
    pack,
    pack_rows,
    pack_tiles,
    pack_transposed,
    places,
    share,
)
from backend.numpy.kernels.row_steps import activate, add, softmax, times_derivative
from backend.numpy.kernels.vector_code import (
    LINE_BYTES,
    TILE_ROWS,
    TILE_VECTORS,
    fetch_line_ahead,
    fetch_tile_ahead,
    narrow_tile,
    tile,
)

FEW_ROWS = 512
"""Up to so many rows a product is cut by its columns, and what is needed next is fetched meanwhile: with more, packing
and fetching take too little of the time to matter."""


@compiled
def _strip(  # type: ignore[no-untyped-def]
    item, a, down, along, n_rows, panels, n_terms, n_columns, rows, out, across, ahead, ahead_down
):
    """out := up to TILE_ROWS rows of `a`, with strides in values, times the packed panels; `across` wide.

    `ahead` is where the next strip's results go, in rows `ahead_down` values apart: it is fetched meanwhile.
    """
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    if n_rows < TILE_ROWS:
        pack_rows(item, a, down, along, n_rows, n_terms, rows)
        a, down, along = rows, 1, TILE_ROWS
    for first in range(0, n_columns, width):
        panel, place = panels + first * n_terms * size, out + first * size
        fetch_tile_ahead(item, ahead + first * size, ahead_down * size)
        if n_columns - first > width // 2:
            tile(item, a, down * size, along * size, panel, n_terms, place, across * size)
        else:
            narrow_tile(item, a, down * size, along * size, panel, n_terms, place, across * size)


@compiled
def _fetch_rows_ahead(address, down, n_rows, n_bytes):  # type: ignore[no-untyped-def]
    """Ask for some rows of a matrix that are read soon; those past its end are asked for in vain."""
    for row in range(n_rows):
        for place in range(0, n_bytes, LINE_BYTES):
            fetch_line_ahead(address + row * down + place)


@compiled
def _fetch_some_ahead(address, n_bytes, row, n_rows, part, n_parts):  # type: ignore[no-untyped-def]
    """Ask, in the strip that begins at `row` of `n_rows`, for its share of this part's share of some memory."""
    begin, end = n_bytes * part // n_parts, n_bytes * (part + 1) // n_parts
    strip, n_strips = row // TILE_ROWS, -(-n_rows // TILE_ROWS)
    from_here = begin + (end - begin) * strip // n_strips
    for place in range(from_here, begin + (end - begin) * (strip + 1) // n_strips, LINE_BYTES):
        fetch_line_ahead(address + place)


@compiled
def forward(  # type: ignore[no-untyped-def]
    item, a, a_leading, W, b, out, rows, n_in, n_out, activation, soon, soon_bytes, part, n_parts, scratch
):
    """out := activation(a W + b), (rows, n_out): this part's rows of it, or columns where there are few rows.

    `soon` is memory that is needed next, to be fetched meanwhile.
    """
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    top, bottom, left, right = 0, rows, 0, n_out
    if _by_columns(rows, n_out, width, n_parts) and activation != 4:
        left, right = share(n_out, width, part, n_parts)
    else:
        top, bottom = share(rows, TILE_ROWS, part, n_parts)
    if top == bottom or left == right:
        return
    strip, packed_rows, panels, across = places(item, scratch, n_in, right - left)
    for first in range(left, right, columns_at_once(item, n_in)):
        n = min(columns_at_once(item, n_in), right - first)
        pack(item, W + first * size, n_out, n_in, n, panels)
        for i in range(top, bottom, TILE_ROWS):
            m = min(TILE_ROWS, bottom - i)
            if soon_bytes:  # the next layer's weights: this part takes some columns of them too
                _fetch_columns_ahead(soon, soon_bytes, n_out, i - top, bottom - top, part, n_parts)
            here, ahead = a + i * a_leading * size, out + ((i + TILE_ROWS) * n_out + first) * size
            _strip(item, here, a_leading, 1, m, panels, n_in, n, packed_rows, strip, across, ahead, n_out)
            for row in range(m):
                place = out + ((i + row) * n_out + first) * size
                activate(item, strip + row * across * size, b + first * size, place, n, activation)
    if activation == 4:
        for i in range(top, bottom):
            softmax(item, out + i * n_out * size, n_out)


@compiled
def error_below(  # type: ignore[no-untyped-def]
    item, a, a_leading, delta, W, rows, n_in, n_out, activation, soon, soon_bytes, part, n_parts, scratch
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
    strip, packed_rows, panels, across = places(item, scratch, n_out, right - left)
    for first in range(left, right, columns_at_once(item, n_out)):
        n = min(columns_at_once(item, n_out), right - first)
        pack_transposed(item, W + first * n_out * size, n_out, n_out, n, panels)
        for i in range(top, bottom, TILE_ROWS):
            m = min(TILE_ROWS, bottom - i)
            if soon_bytes:
                _fetch_some_ahead(soon, soon_bytes, i - top, bottom - top, part, n_parts)
            here, ahead = delta + i * n_out * size, a + ((i + TILE_ROWS) * a_leading + first) * size
            _strip(item, here, n_out, 1, m, panels, n_out, n, packed_rows, strip, across, ahead, a_leading)
            for row in range(m):
                place = a + ((i + row) * a_leading + first) * size
                times_derivative(item, strip + row * across * size, place, n, activation)


@compiled
def weight_gradient(  # type: ignore[no-untyped-def]
    item, a, a_leading, delta, out, rows, n_in, n_out, onto, soon, soon_bytes, part, n_parts, scratch
):
    """out := a' delta, (n_in, n_out), or with `onto` += it: this part's rows or columns, whichever are more."""
    width, size = TILE_VECTORS * lanes_of(item), item_bytes_of(item)
    top, bottom, left, right = 0, n_in, 0, n_out
    if n_out > n_in:
        left, right = share(n_out, width, part, n_parts)
    else:
        top, bottom = share(n_in, TILE_ROWS, part, n_parts)
    if top == bottom or left == right:
        return
    strip, packed_rows, panels, across = places(item, scratch, CHUNK_ROWS, right - left)
    tiles = aligned(panels + PANELS_BYTES)
    for start in range(0, rows, CHUNK_ROWS):
        n_terms = min(CHUNK_ROWS, rows - start)
        for first in range(left, right, columns_at_once(item, CHUNK_ROWS)):
            n = min(columns_at_once(item, CHUNK_ROWS), right - first)
            pack(item, delta + (start * n_out + first) * size, n_out, n_terms, n, panels)
            for low in range(top, bottom, GRADIENT_ROWS):
                high = min(bottom, low + GRADIENT_ROWS)
                here = a + (start * a_leading + low) * size
                if n > width:  # a tile's terms are used for more than one panel
                    pack_tiles(item, here, a_leading, n_terms, high - low, tiles)
                each = -(-CHUNK_ROWS * TILE_ROWS // (high - low))  # rows of the next chunk that are fetched in a strip
                for i in range(low, high, TILE_ROWS):
                    m = min(TILE_ROWS, high - i)
                    row = start + CHUNK_ROWS + (i - low) // TILE_ROWS * each
                    if row < rows:
                        next_a, next_delta = a + (row * a_leading + low) * size, delta + (row * n_out + first) * size
                        _fetch_rows_ahead(next_a, a_leading * size, each, (high - low) * size)
                        _fetch_rows_ahead(next_delta, n_out * size, each, n * size)
                    if soon_bytes:
                        _fetch_some_ahead(soon, soon_bytes, i - low, high - low, part, n_parts)
                    ahead = out + ((i + TILE_ROWS) * n_out + first) * size
                    packed, down, along, there = tiles + (i - low) * n_terms * size, 1, TILE_ROWS, TILE_ROWS
                    if n <= width:
                        packed, along, there = here + (i - low) * size, a_leading, m
                    _strip(
                        item, packed, down, along, there, panels, n_terms, n, packed_rows, strip, across, ahead, n_out
                    )
                    for row in range(m):
                        place = out + ((i + row) * n_out + first) * size
                        add(item, strip + row * across * size, place, n, onto or start > 0)


@compiled
def _fetch_columns_ahead(address, n_bytes, n_lines, row, n_rows, part, n_parts):  # type: ignore[no-untyped-def]
    """`_fetch_some_ahead` for this part's columns of a matrix of `n_lines` rows."""
    down = n_bytes // n_lines
    strip, n_strips = row // TILE_ROWS, -(-n_rows // TILE_ROWS)
    for line in range(n_lines * strip // n_strips, n_lines * (strip + 1) // n_strips):
        for place in range(down * part // n_parts, down * (part + 1) // n_parts, LINE_BYTES):
            fetch_line_ahead(address + line * down + place)


@compiled
def _by_columns(rows, n, width, n_parts):  # type: ignore[no-untyped-def]
    """Whether a product is cut by its columns: with few rows, to pack the other matrix only once among all."""
    return rows <= FEW_ROWS and n >= n_parts * width and n_parts > 1
