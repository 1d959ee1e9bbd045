/* A tile of a product: TILE_ROWS rows by one or two vectors of columns, summed in registers.

   out[i, j] = the sum over k of a[i, k] panel[k, j], in the order of k, each product rounded with its sum: so a value
   does not depend on the tile that it is computed in. a[i, k] is at a + i down + k along. The functions here differ in
   what is known when they are compiled, and in where the sums go. */
#ifndef TILES_H
#define TILES_H
#include "packing.h"
#include "rows.h"
#include "transpose.h"

/* `vectors` is 1 or 2, and known to the compiler. */
INLINE void sum_tile(int vectors, const T *a, int64_t down, int64_t along, const T *panel, int64_t terms,
                     V sums[TILE_ROWS][2]) {
    for (int64_t k = 0; k < terms; k++, a += along, panel += vectors * LANES) {
        V left = load(panel), right = vectors > 1 ? load(panel + LANES) : left;
        for (int i = 0; i < TILE_ROWS; i++) {
            V x = splat(a[i * down]);
            sums[i][0] = multiply_add(x, left, sums[i][0]);
            if (vectors > 1) sums[i][1] = multiply_add(x, right, sums[i][1]);
        }
    }
}

INLINE void write_tile(int vectors, V sums[TILE_ROWS][2], T *out, int64_t out_down) {
    for (int i = 0; i < TILE_ROWS; i++)
        for (int v = 0; v < vectors; v++) store(out + i * out_down + v * LANES, sums[i][v]);
}

NOT_INLINE void tile(const T *a, int64_t down, int64_t along, const T *panel, int64_t terms, T *out, int64_t out_down) {
    V sums[TILE_ROWS][2] = {0};
    sum_tile(2, a, down, along, panel, terms, sums);
    write_tile(2, sums, out, out_down);
}

NOT_INLINE void narrow_tile(const T *a, int64_t down, int64_t along, const T *panel, int64_t terms, T *out,
                            int64_t out_down) {
    V sums[TILE_ROWS][2] = {0};
    sum_tile(1, a, down, along, panel, terms, sums);
    write_tile(1, sums, out, out_down);
}

/* `tile` of packed rows. */
NOT_INLINE void packed_tile(const T *a, const T *panel, int64_t terms, T *out, int64_t out_down) {
    V sums[TILE_ROWS][2] = {0};
    sum_tile(2, a, 1, TILE_ROWS, panel, terms, sums);
    write_tile(2, sums, out, out_down);
}

/* A tile whose rows are next to each other, and whose sums go straight into a gradient, with no strip between. */
NOT_INLINE void gradient_tile(const T *a, int64_t along, const T *panel, int64_t terms, T *out, int64_t out_down,
                              Into into) {
    V sums[TILE_ROWS][2] = {0}, factor = splat(into.factor), keep = splat(into.keep);
    sum_tile(2, a, 1, along, panel, terms, sums);
    if (into.how != WRITE)
        for (int i = 0; i < TILE_ROWS; i++)
            for (int v = 0; v < 2; v++)
                sums[i][v] = multiply_add(factor, sums[i][v], keep * load(out + i * out_down + v * LANES));
    write_tile(2, sums, out, out_down);
}

/* Pack the transpose of the matrix at `source`, which is (columns, terms), into panels. */
static void pack_transposed(const T *source, int64_t leading, int64_t terms, int64_t columns, T *panels) {
    int64_t squares = terms / LANES * LANES;
    for (int64_t first = 0; first < columns; first += TILE_COLUMNS) {
        int64_t left = columns - first, across = columns_of_last_panel(left);
        T *panel = panels + first * terms;
        for (int64_t j = 0; j < across; j += LANES) {
            int64_t done = j + LANES <= left ? squares : 0;
            for (int64_t k = 0; k < done; k += LANES)
                transpose(source + (first + j) * leading + k, leading, panel + k * across + j, across);
            for (int64_t k = done; k < terms; k++)
                for (int64_t i = 0; i < LANES; i++)
                    panel[k * across + j + i] = j + i < left ? source[(first + j + i) * leading + k] : 0;
        }
    }
}

/* Memory that is asked for ahead of its use. Addresses are numbers: it is harmless to ask past an array's end. */
INLINE void fetch(uintptr_t from, int64_t values) {
    for (int64_t j = 0; j < values; j += LINE_VALUES)
        __builtin_prefetch((const void *)(from + (uintptr_t)j * sizeof(T)), 0, 2);
}

INLINE uintptr_t place_of(const void *p, int64_t values) { return (uintptr_t)p + (uintptr_t)values * sizeof(T); }

static void fetch_rows(uintptr_t from, int64_t down, int64_t rows, int64_t n) {
    for (int64_t i = 0; i < rows; i++) fetch(from + (uintptr_t)(i * down) * sizeof(T), n);
}

/* The place of a tile's results, which is written to soon. */
INLINE void fetch_tile(uintptr_t out, int64_t out_down) {
    for (int i = 0; i < TILE_ROWS; i++)
        for (int64_t j = 0; j < TILE_COLUMNS; j += LINE_VALUES)
            __builtin_prefetch((const void *)(out + (uintptr_t)(i * out_down + j) * sizeof(T)), 1, 3);
}

/* In strip number `strip` of `strips`: its share of this part's share of n values. */
static void fetch_share(const void *p, int64_t n, int64_t strip, int64_t strips, int64_t part, int64_t parts) {
    int64_t begin = n * part / parts, values = n * (part + 1) / parts - begin;
    int64_t from = values * strip / strips;
    if (n) fetch(place_of(p, begin + from), values * (strip + 1) / strips - from);
}

/* Up to TILE_ROWS rows of a product, `columns` wide, into a strip. `ahead` is where the next strip's results go. */
static void multiply_strip(const T *a, int64_t down, int64_t along, int64_t m, const T *panels, int64_t terms,
                           int64_t columns, Places p, uintptr_t ahead, int64_t ahead_down) {
    if (m < TILE_ROWS) {
        pack_rows(a, down, along, m, terms, p.rows);
        a = p.rows;
        down = 1;
        along = TILE_ROWS;
    }
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        fetch_tile(ahead + (uintptr_t)j * sizeof(T), ahead_down);
        if (columns - j <= LANES) narrow_tile(a, down, along, panels + j * terms, terms, p.strip + j, p.across);
        else if (down == 1 && along == TILE_ROWS) packed_tile(a, panels + j * terms, terms, p.strip + j, p.across);
        else tile(a, down, along, panels + j * terms, terms, p.strip + j, p.across);
    }
}
#endif
