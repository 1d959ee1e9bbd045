/* A layer's products with what is done to each of their values, for one part of an operation.

   That is done to a strip of a few rows while it is in the first-level cache, so nothing is read or written twice, and an
   activation can become the error of its layer where it is. Each value is summed in one order, that of the terms; a
   gradient in chunks of CHUNK_ROWS rows of the batch, chunk after chunk. So neither the number of parts, nor a cut into
   rows, nor one of the batch at a multiple of CHUNK_ROWS changes a bit. */
#ifndef PRODUCTS_H
#define PRODUCTS_H
#include "dropping.h"
#include "tiles.h"

/* What a part works on of rows x columns values: some rows, or some columns. */
typedef struct {
    int64_t top, bottom, left, right;
} Cut;

INLINE Cut cut(int64_t rows, int64_t columns, int across, int64_t part, int64_t parts) {
    Cut c = {0, rows, 0, columns};
    if (across) share(columns, TILE_COLUMNS, part, parts, &c.left, &c.right);
    else share(rows, TILE_ROWS, part, parts, &c.top, &c.bottom);
    return c;
}

INLINE int empty(Cut c) { return c.top == c.bottom || c.left == c.right; }

/* In the strip that begins at row `i`: this part's columns of some lines of the next layer's weights. */
static void fetch_next_W(const Step *s, int64_t i, Cut c, int64_t part, int64_t parts) {
    int64_t strip = (i - c.top) / TILE_ROWS, strips = ceiling(c.bottom - c.top, TILE_ROWS);
    int64_t lines = s->n_out, down = s->next_W_values / lines, from = down * part / parts;
    if (!s->next_W_values) return;
    for (int64_t line = lines * strip / strips; line < lines * (strip + 1) / strips; line++)
        fetch(place_of(s->next_W, line * down + from), down * (part + 1) / parts - from);
}

/* out := activation(a W + b); whether the values are finite, where the step has a layer to be named. */
static int forward(const Step *s, int64_t part, int64_t parts, T *scratch) {
    const T *a = s->a, *W = s->W, *b = s->b;
    T *out = s->out;
    int64_t n_out = s->n_out, terms = s->n_in, finite = 1;
    int softmaxed = s->activation == ACTIVATION_softmax;
    Cut c = cut(s->rows, n_out, !softmaxed && by_columns(s->rows, n_out, parts), part, parts);
    if (empty(c)) return 1;
    Places p = places(scratch, terms, c.right - c.left);
    for (int64_t first = c.left, n; first < c.right; first += n) {
        n = smaller(columns_at_once(terms), c.right - first);
        pack_last(W + first, n_out, terms, n, p.panels);
        Panels panels = {p.panels, W + first, n_out, terms};
        for (int64_t i = c.top; i < c.bottom; i += TILE_ROWS) {
            int64_t m = smaller(TILE_ROWS, c.bottom - i), place = i * n_out + first;
            fetch_next_W(s, i, c, part, parts);
            multiply_strip(a + i * s->a_leading, s->a_leading, 1, m, panels, n, p,
                           place_of(out, place + TILE_ROWS * n_out), n_out);
            panels.source = NULL;
            for (int64_t r = 0; r < m; r++) {
                activate(p.strip + r * p.across, b + first, out + place + r * n_out, n, s->activation);
                if (s->layer && !softmaxed) finite &= all_finite(out + place + r * n_out, n);
                if (s->dropped_below) drop(s, i + r, first, n, drop_factor(s), out + place + r * n_out);
            }
        }
    }
    for (int64_t i = c.top; softmaxed && i < c.bottom; i++) {
        softmax(out + i * n_out, n_out);
        if (s->layer) finite &= all_finite(out + i * n_out, n_out);
    }
    return (int)finite;
}

/* a := (delta W') activation'(a), n_in columns of a and as many rows of W. */
static void error_below(const Step *s, int64_t part, int64_t parts, T *scratch) {
    const T *delta = s->delta, *W = s->W;
    T *a = s->a;
    int64_t terms = s->n_out, leading = s->a_leading;
    Cut c = cut(s->rows, s->n_in, by_columns(s->rows, s->n_in, parts), part, parts);
    if (empty(c)) return;
    Places p = places(scratch, terms, c.right - c.left);
    for (int64_t first = c.left, n; first < c.right; first += n) {
        n = smaller(columns_at_once(terms), c.right - first);
        pack_transposed(W + first * terms, terms, terms, n, p.panels);
        for (int64_t i = c.top; i < c.bottom; i += TILE_ROWS) {
            int64_t m = smaller(TILE_ROWS, c.bottom - i), place = i * leading + first;
            int64_t strip = (i - c.top) / TILE_ROWS, strips = ceiling(c.bottom - c.top, TILE_ROWS);
            fetch_share(s->next_W, s->next_W_values, strip, strips, part, parts);
            multiply_strip(delta + i * terms, terms, 1, m, (Panels){p.panels, NULL, 0, terms}, n, p,
                           place_of(a, place + TILE_ROWS * leading), leading);
            for (int64_t r = 0; r < m; r++) {
                T *output = a + place + r * leading;
                if (s->dropped_below) scale(output, n, kept_share(s)); /* as the slope is that of the whole output */
                times_derivative(p.strip + r * p.across, output, n, s->activation);
                if (s->dropped_below) drop(s, i + r, first, n, drop_factor(s), output);
            }
        }
    }
}

/* A chunk's part of a gradient: rows `low` to `high` of `out`, its columns from `first` on, as many as are packed. */
typedef struct {
    const T *a, *delta; /* the chunk's first rows */
    T *out;
    int64_t terms, rows_after, low, high, first, n;
    Into into;
} Block;

/* A block's strips: the first one packs the panels, and each its own rows. Meanwhile some rows of the next chunk are
   fetched, and what the next operation reads. */
static void gradient_block(const Step *s, Block g, Places p, int64_t part, int64_t parts) {
    const int64_t leading = s->a_leading, n_out = s->n_out, strips = ceiling(g.high - g.low, TILE_ROWS);
    const int64_t each = ceiling(CHUNK_ROWS, strips), whole = g.n / TILE_COLUMNS * TILE_COLUMNS;
    Panels panels = {p.panels, g.delta + g.first, n_out, g.terms};
    pack_last(panels.source, n_out, g.terms, g.n, p.panels);
    for (int64_t i = g.low; i < g.high; i += TILE_ROWS, panels.source = NULL) {
        int64_t m = smaller(TILE_ROWS, g.high - i), strip = (i - g.low) / TILE_ROWS;
        int64_t row = CHUNK_ROWS + strip * each, rows = smaller(each, g.rows_after - row);
        if (rows > 0) {
            fetch_rows(place_of(g.a, row * leading + g.low), leading, rows, g.high - g.low);
            fetch_rows(place_of(g.delta, row * n_out + g.first), n_out, rows, g.n);
        }
        fetch_share(s->next_gradient, s->next_gradient_values, strip, strips, part, parts);
        const int64_t full = m == TILE_ROWS ? whole : 0;
        T *out = g.out + i * n_out + g.first;
        const uintptr_t ahead = place_of(out, TILE_ROWS * n_out);
        if (full && panels.source) pack_rows(g.a + i, 1, leading, m, g.terms, p.rows);
        for (int64_t j = 0; j < full; j += TILE_COLUMNS) {
            T *panel = p.panels + j * g.terms;
            fetch_tile(ahead + (uintptr_t)j * sizeof(T), n_out);
            if (panels.source)
                gradient_packing_panel(p.rows, panels.source + j, n_out, panel, g.terms, out + j, n_out, g.into);
            else if (j == 0) gradient_packing_rows(g.a + i, leading, p.rows, panel, g.terms, out, n_out, g.into);
            else gradient_tile(p.rows, TILE_ROWS, panel, g.terms, out + j, n_out, g.into);
        }
        if (full == g.n) continue;
        Panels last = {panels.packed + full * g.terms, full ? NULL : panels.source, n_out, g.terms};
        multiply_strip(full ? p.rows : g.a + i, 1, full ? TILE_ROWS : leading, m, last, g.n - full, p,
                       ahead + (uintptr_t)full * sizeof(T), n_out);
        for (int64_t r = 0; r < m; r++) put(p.strip + r * p.across, out + r * n_out + full, g.n - full, g.into);
    }
}

/* The gradients of n_in rows of W: `weight` and, unless it is NULL, `bias`, a sum over chunks; `into` says how the first
   chunk's goes into them. Whether the bias's is finite, which it is only where the whole error is. */
static int gradient(const Step *s, T *weight, T *bias, Into into, int64_t part, int64_t parts, T *scratch) {
    const T *a = s->a, *delta = s->delta;
    int64_t n_out = s->n_out, from = 0, to = 0, finite = 1;
    int across = n_out > s->n_in;
    Cut c = cut(s->n_in, n_out, across, part, parts);
    if (bias && across) from = c.left, to = c.right; /* the columns of delta that this part reads anyway */
    else if (bias) share(n_out, LANES, part, parts, &from, &to);
    Places p = places(scratch, CHUNK_ROWS, c.right - c.left);
    for (int64_t start = 0; start < s->rows; start += CHUNK_ROWS) {
        int64_t terms = smaller(CHUNK_ROWS, s->rows - start);
        finite &= sum_rows(delta + start * n_out, terms, n_out, from, to, bias, into);
        for (int64_t first = c.left, n; !empty(c) && first < c.right; first += n) {
            n = smaller(columns_at_once(CHUNK_ROWS), c.right - first);
            Block g = {.a = a + start * s->a_leading, .delta = delta + start * n_out, .out = weight};
            g.terms = terms, g.rows_after = s->rows - start;
            g.low = c.top, g.high = c.bottom, g.first = first, g.n = n, g.into = into;
            gradient_block(s, g, p, part, parts);
        }
        if (into.how == WRITE) into.how = ADD;
        into.keep = 1;
    }
    return (int)finite;
}
#endif
