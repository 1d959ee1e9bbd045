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
    GRADIENT_ROWS = 384, /* rows of a gradient, at most, whose terms are packed at a time: a multiple of TILE_ROWS */
    TILE_GAP = 16,       /* values between packed tiles, which 4 KiB apart would share the same sets of the cache */
    FEW_ROWS = 512       /* up to so many a product is cut by its columns, and what is needed next is fetched */
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

/* Pack the matrix at `source`, (terms, columns), into panels. */
static void pack(const T *source, int64_t leading, int64_t terms, int64_t columns, T *panels) {
    int64_t whole = columns / TILE_COLUMNS * TILE_COLUMNS, left = columns - whole;
    for (int64_t k = 0; k < terms; k++) /* along the rows, as memory is fetched ahead */
        for (int64_t j = 0; j < whole; j += TILE_COLUMNS) {
            T *to = panels + j * terms + k * TILE_COLUMNS;
            store(to, load(source + k * leading + j));
            store(to + LANES, load(source + k * leading + j + LANES));
        }
    int64_t across = columns_of_last_panel(left);
    for (int64_t k = 0; left && k < terms; k++)
        for (int64_t j = 0; j < across; j++)
            panels[whole * terms + k * across + j] = j < left ? source[k * leading + whole + j] : 0;
}

/* Pack fewer rows than a tile has, and zeros for the others; (rows, terms) by strides `down` and `along`. */
static void pack_rows(const T *source, int64_t down, int64_t along, int64_t rows, int64_t terms, T *out) {
    for (int64_t k = 0; k < terms; k++)
        for (int64_t i = 0; i < TILE_ROWS; i++) out[k * TILE_ROWS + i] = i < rows ? source[i * down + k * along] : 0;
}

/* Where the tile of rows from `i` on is among packed tiles. */
INLINE T *tile_at(T *tiles, int64_t i, int64_t terms) { return tiles + i / TILE_ROWS * (TILE_ROWS * terms + TILE_GAP); }

/* Pack the transpose of the matrix at `source`, (terms, rows), for tiles; the last one padded. */
static void pack_tiles(const T *source, int64_t leading, int64_t terms, int64_t rows, T *tiles) {
    int64_t whole = rows / TILE_ROWS * TILE_ROWS;
    for (int64_t k = 0; k < terms; k++)
        for (int64_t i = 0; i < whole; i += TILE_ROWS)
            memcpy(tile_at(tiles, i, terms) + k * TILE_ROWS, source + k * leading + i, TILE_ROWS * sizeof(T));
    if (whole < rows) pack_rows(source + whole, 1, leading, rows - whole, terms, tile_at(tiles, whole, terms));
}

/* Where a thread's scratch memory has what: a strip of results `across` wide, packed rows, panels, tiles. */
typedef struct {
    T *strip, *rows, *panels, *tiles;
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
    p.tiles = aligned(p.panels + panels_values(terms, p.across));
    return p;
}

/* The values of scratch memory that a product takes, of so many terms and columns, without tiles. */
INLINE int64_t product_values(int64_t terms, int64_t columns) {
    return TILE_ROWS * (width_of(columns) + terms) + panels_values(terms, width_of(columns));
}

/* The bytes of scratch memory that the products of a layer n_in x n_out take: the most of its output's, of the error's
   below it and of its gradient's. It takes no fewer than one with fewer inputs, so a piece of a layer fits too. */
static int64_t scratch_bytes(int64_t n_in, int64_t n_out) {
    int64_t strips = ceiling(smaller(n_in, GRADIENT_ROWS), TILE_ROWS);
    int64_t gradient = product_values(CHUNK_ROWS, n_out) + strips * (TILE_ROWS * CHUNK_ROWS + TILE_GAP);
    int64_t most = larger(larger(product_values(n_in, n_out), product_values(n_out, n_in)), gradient);
    return most * ITEM_BYTES + 4 * VECTOR_BYTES;
}
#endif
