/* Dropout: which outputs are set to 0 follows from where they are, and from the step; see backend/dropping.py. */
#ifndef DROPPING_H
#define DROPPING_H
#include "operations.h"
#include "vectors.h"

enum { COUNTERS = 16, UNITS_AT_ONCE = 4 * COUNTERS, PHILOX_ROUNDS = 10 };

/* The words of UNITS_AT_ONCE units of a row, from unit 4 * `counter` on. */
static void words_of(const Step *s, uint32_t counter, uint32_t row, uint32_t *restrict words) {
    uint32_t c0[COUNTERS], c1[COUNTERS], c2[COUNTERS], c3[COUNTERS];
    uint32_t low = (uint32_t)s->seed, high = (uint32_t)(s->seed >> 32);
    for (uint32_t k = 0; k < COUNTERS; k++) {
        c0[k] = counter + k, c1[k] = row;
        c2[k] = (uint32_t)s->dropped_layer, c3[k] = (uint32_t)s->step;
    }
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        for (int k = 0; k < COUNTERS; k++) {
            uint64_t p = (uint64_t)0xD2511F53u * c0[k], q = (uint64_t)0xCD9E8D57u * c2[k];
            c0[k] = (uint32_t)(q >> 32) ^ c1[k] ^ low, c2[k] = (uint32_t)(p >> 32) ^ c3[k] ^ high;
            c1[k] = (uint32_t)q, c3[k] = (uint32_t)p;
        }
        low += 0x9E3779B9u, high += 0xBB67AE85u;
    }
    for (int k = 0; k < COUNTERS; k++) {
        words[4 * k] = c0[k], words[4 * k + 1] = c1[k], words[4 * k + 2] = c2[k], words[4 * k + 3] = c3[k];
    }
}

/* a, n outputs of a row of the step's from column `column` on: 0 where dropped, times a factor elsewhere. */
NOT_INLINE void drop(const Step *s, int64_t row, int64_t column, int64_t n, T factor, T *restrict a) {
    const int64_t unit = s->first_unit + column, end = unit + n;
    uint32_t words[UNITS_AT_ONCE];
    for (int64_t start = unit / 4 * 4; start < end; start += UNITS_AT_ONCE) {
        words_of(s, (uint32_t)(start / 4), (uint32_t)(s->first_row + row), words);
        const int64_t low = larger(start, unit), high = smaller(start + UNITS_AT_ONCE, end);
        for (int64_t u = low; u < high; u++)
            a[u - unit] = words[u - start] < s->dropped_below ? 0 : factor * a[u - unit];
    }
}

/* What kept outputs are multiplied by, and what makes them as they were. */
INLINE T drop_factor(const Step *s) { return (T)(0x1p32 / (0x1p32 - (double)s->dropped_below)); }
INLINE T kept_share(const Step *s) { return (T)((0x1p32 - (double)s->dropped_below) / 0x1p32); }
#endif
