/* How matrices are packed for tiles, and cut among the parts of an operation.

   A tile multiplies TILE_ROWS rows of one matrix with a panel of the other: as many columns as the tile has, without
   gaps, padded with zeros where there are fewer (a narrow tile has LANES columns). Panels and what else is packed lie in
   scratch memory, which each thread has of its own. Words: K. Goto and R. van de Geijn, Anatomy of High-Performance
   Matrix Multiplication (2008). */
#ifndef PACKING_H
#define PACKING_H
#include "operations.h"
#include "vectors.h"

enum {
    AHEAD = 24,    /* terms before its use in a tile that memory is asked for */
    FEW_ROWS = 512 /* up to so many a product is cut by its columns, and what is needed next is fetched */
};
/* Packed panels, at least: half of a second-level cache. One panel is packed whole in any case. */
#define PANELS_BYTES (1 << 19)

/* From where to where part number `part` of `n` goes, cut at multiples of `unit`. */
INLINE void share(int64_t n, int64_t unit, int64_t part, int64_t parts, int64_t *from, int64_t *to) {
    int64_t units = ceiling(n, unit);
    *from = smaller(n, units * part / parts * unit);
    *to = smaller(n, units * (part + 1) / parts * unit);
}

/* Whether a product is cut by its columns: with few rows, so that the other matrix is packed once among all parts. */
INLINE int by_columns(int64_t rows, int64_t n, int64_t parts) {
    return rows <= FEW_ROWS && n >= parts * TILE_COLUMNS && parts > 1;
}

/* How many columns are packed at a time: whole panels. */
INLINE int64_t columns_at_once(int64_t terms) {
    return larger(TILE_COLUMNS, PANELS_BYTES / ITEM_BYTES / terms / TILE_COLUMNS * TILE_COLUMNS);
}

INLINE int64_t columns_of_last_panel(int64_t left) { return left > LANES ? TILE_COLUMNS : LANES; }

/* Memory that is asked for ahead of its use. Addresses are numbers: it is harmless to ask past an array's end. */
INLINE void fetch(uintptr_t from, int64_t values) {
    for (int64_t j = 0; j < values; j += LINE_VALUES)
        __builtin_prefetch((const void *)(from + (uintptr_t)j * sizeof(T)), 0, 2);
}

INLINE uintptr_t place_of(const void *p, int64_t values) { return (uintptr_t)p + (uintptr_t)values * sizeof(T); }

/* Pack what is left of the matrix at `source`, (terms, columns), after its whole panels, which tiles pack themselves. */
static void pack_last(const T *source, int64_t leading, int64_t terms, int64_t columns, T *panels) {
    int64_t whole = columns / TILE_COLUMNS * TILE_COLUMNS, left = columns - whole, across = columns_of_last_panel(left);
    for (int64_t k = 0; left && k < terms; k++)
        for (int64_t j = 0; j < across; j++)
            panels[whole * terms + k * across + j] = j < left ? source[k * leading + whole + j] : 0;
}

/* Pack fewer rows than a tile has, and zeros for the others; (rows, terms) by strides `down` and `along`. */
static void pack_rows(const T *source, int64_t down, int64_t along, int64_t rows, int64_t terms, T *out) {
    for (int64_t k = 0; k < terms; k++)
        for (int64_t i = 0; i < TILE_ROWS; i++) out[k * TILE_ROWS + i] = i < rows ? source[i * down + k * along] : 0;
}

/* Where a thread's scratch memory has what: a strip of results `across` wide, a tile's packed rows, panels. */
typedef struct {
    T *strip, *rows, *panels;
    int64_t across;
} Places;

INLINE T *aligned(T *p) { return (T *)(((uintptr_t)p + VECTOR_BYTES - 1) / VECTOR_BYTES * VECTOR_BYTES); }

/* The values of a product's panels that are packed at a time, at most. */
INLINE int64_t panels_values(int64_t terms, int64_t across) {
    return smaller(terms * across, larger(PANELS_BYTES / ITEM_BYTES, terms * TILE_COLUMNS));
}

/* How wide whole panels of so many columns are. */
INLINE int64_t width_of(int64_t columns) { return ceiling(columns, TILE_COLUMNS) * TILE_COLUMNS; }

INLINE Places places(T *scratch, int64_t terms, int64_t columns) {
    Places p;
    p.across = width_of(columns);
    p.strip = aligned(scratch);
    p.rows = aligned(p.strip + TILE_ROWS * p.across);
    p.panels = aligned(p.rows + TILE_ROWS * terms);
    return p;
}

/* The values of scratch memory that a product takes, of so many terms and columns. */
INLINE int64_t product_values(int64_t terms, int64_t columns) {
    return TILE_ROWS * (width_of(columns) + terms) + panels_values(terms, width_of(columns));
}

/* The bytes of scratch memory that the products of a layer n_in x n_out take: the most of its output's, of the error's
   below it and of its gradient's. It takes no fewer than one with fewer inputs, so a piece of a layer fits too. */
static int64_t scratch_bytes(int64_t n_in, int64_t n_out) {
    int64_t most = larger(product_values(n_in, n_out), product_values(n_out, n_in));
    return larger(most, product_values(CHUNK_ROWS, n_out)) * ITEM_BYTES + 3 * VECTOR_BYTES;
}
#endif
