/* A tile of a product: TILE_ROWS rows by one or two vectors of columns, summed in registers.

   out[i, j] = the sum over k of a[i, k] panel[k, j], in the order of k, each product rounded with its sum: so a value
   does not depend on the tile that it is computed in. a[i, k] is at a + i down + k along. The functions here differ in
   what is known when they are compiled, and in where the sums go. */
#ifndef TILES_H
#define TILES_H
#include "packing.h"
#include "rows.h"
#include "transpose.h"

/* A loop over a tile's rows, unrolled before the compiler decides what lies in registers: gcc 12 would clear sums on the
   stack, and write them there and back, which took some 90 of the 2,100 cycles of a gradient's tile. */
#if defined(__clang__)
#define UNROLLED
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif
#define EACH_ROW UNROLLED for (int i = 0; i < TILE_ROWS; i++)

/* `vectors` is 1 or 2, and known to the compiler. */
INLINE void sum_tile(int vectors, const T *a, int64_t down, int64_t along, const T *panel, int64_t terms,
                     V sums[TILE_ROWS][2]) {
    for (int64_t k = 0; k < terms; k++, a += along, panel += vectors * LANES) {
        V left = load(panel), right = vectors > 1 ? load(panel + LANES) : left;
        EACH_ROW {
            V x = splat(a[i * down]);
            sums[i][0] = multiply_add(x, left, sums[i][0]);
            if (vectors > 1) sums[i][1] = multiply_add(x, right, sums[i][1]);
        }
    }
}

/* `sum_tile` of columns that are not packed yet, `leading` values from a row to the next, and pack them meanwhile: loads
   and stores find room beside multiply-adds, so this takes next to no time. Rows further down are asked for ahead. */
INLINE void sum_and_pack(const T *a, int64_t down, int64_t along, const T *source, int64_t leading, T *panel,
                         int64_t terms, V sums[TILE_ROWS][2]) {
    for (int64_t k = 0; k < terms; k++, a += along, source += leading, panel += TILE_COLUMNS) {
        V left = load(source), right = load(source + LANES);
        fetch(place_of(source, AHEAD * leading), TILE_COLUMNS);
        store(panel, left);
        store(panel + LANES, right);
        EACH_ROW {
            V x = splat(a[i * down]);
            sums[i][0] = multiply_add(x, left, sums[i][0]);
            sums[i][1] = multiply_add(x, right, sums[i][1]);
        }
    }
}

INLINE void write_tile(int vectors, V sums[TILE_ROWS][2], T *out, int64_t out_down) {
    EACH_ROW {
        store(out + i * out_down, sums[i][0]);
        if (vectors > 1) store(out + i * out_down + LANES, sums[i][1]);
    }
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

/* `tile` that packs its panel. */
NOT_INLINE void packing_tile(const T *a, int64_t down, int64_t along, const T *source, int64_t leading, T *panel,
                             int64_t terms, T *out, int64_t out_down) {
    V sums[TILE_ROWS][2] = {0};
    sum_and_pack(a, down, along, source, leading, panel, terms, sums);
    write_tile(2, sums, out, out_down);
}

/* Sums go straight into a gradient, with no strip between. */
INLINE void put_tile(V sums[TILE_ROWS][2], T *out, int64_t out_down, Into into) {
    V factor = splat(into.factor), keep = splat(into.keep);
    if (into.how == ADD) {
        EACH_ROW {
            sums[i][0] += load(out + i * out_down);
            sums[i][1] += load(out + i * out_down + LANES);
        }
    } else if (into.how == ADD_TIMES) {
        EACH_ROW {
            sums[i][0] = multiply_add(factor, sums[i][0], keep * load(out + i * out_down));
            sums[i][1] = multiply_add(factor, sums[i][1], keep * load(out + i * out_down + LANES));
        }
    }
    write_tile(2, sums, out, out_down);
}

/* A tile of a gradient, whose rows are next to each other. */
NOT_INLINE void gradient_tile(const T *a, int64_t along, const T *panel, int64_t terms, T *out, int64_t out_down,
                              Into into) {
    V sums[TILE_ROWS][2] = {0};
    sum_tile(2, a, 1, along, panel, terms, sums);
    put_tile(sums, out, out_down, into);
}

/* `gradient_tile` of packed rows that packs its panel. */
NOT_INLINE void gradient_packing_panel(const T *a, const T *source, int64_t leading, T *panel, int64_t terms, T *out,
                                       int64_t out_down, Into into) {
    V sums[TILE_ROWS][2] = {0};
    sum_and_pack(a, 1, TILE_ROWS, source, leading, panel, terms, sums);
    put_tile(sums, out, out_down, into);
}

/* `gradient_tile` that packs its rows, for the panels that follow. */
NOT_INLINE void gradient_packing_rows(const T *a, int64_t along, T *rows, const T *panel, int64_t terms, T *out,
                                      int64_t out_down, Into into) {
    V sums[TILE_ROWS][2] = {0};
    for (int64_t k = 0; k < terms; k++, a += along, rows += TILE_ROWS, panel += TILE_COLUMNS) {
        V left = load(panel), right = load(panel + LANES);
        fetch(place_of(a, AHEAD * along), TILE_ROWS);
        memcpy(rows, a, TILE_ROWS * sizeof(T));
        EACH_ROW {
            V x = splat(a[i]);
            sums[i][0] = multiply_add(x, left, sums[i][0]);
            sums[i][1] = multiply_add(x, right, sums[i][1]);
        }
    }
    put_tile(sums, out, out_down, into);
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

/* Panels of a product, or those to be made on the way: `source`, (terms, columns), is NULL once whole panels are packed. */
typedef struct {
    T *packed;
    const T *source;
    int64_t leading, terms;
} Panels;

/* Up to TILE_ROWS rows of a product, `columns` wide, into a strip. `ahead` is where the next strip's results go. */
static void multiply_strip(const T *a, int64_t down, int64_t along, int64_t m, Panels panels, int64_t columns, Places p,
                           uintptr_t ahead, int64_t ahead_down) {
    const int64_t terms = panels.terms;
    if (m < TILE_ROWS) {
        pack_rows(a, down, along, m, terms, p.rows);
        a = p.rows;
        down = 1;
        along = TILE_ROWS;
    }
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        fetch_tile(ahead + (uintptr_t)j * sizeof(T), ahead_down);
        T *panel = panels.packed + j * terms;
        if (columns - j <= LANES) narrow_tile(a, down, along, panel, terms, p.strip + j, p.across);
        else if (panels.source && columns - j >= TILE_COLUMNS)
            packing_tile(a, down, along, panels.source + j, panels.leading, panel, terms, p.strip + j, p.across);
        else if (down == 1 && along == TILE_ROWS) packed_tile(a, panel, terms, p.strip + j, p.across);
        else tile(a, down, along, panel, terms, p.strip + j, p.across);
    }
}
#endif
