/* The cost of a row of outputs, in double. */
#ifndef COSTS_H
#define COSTS_H
#include "rows.h"

enum { COST_SUMS = 8 }; /* partial sums, each of every eighth value: what a vector adds up at once */

/* An output counts as no less than the smallest normal number, and as no more than the largest number below 1 where 1 - a
   is asked about. */
static double row_cost(const T *restrict a, const T *restrict y, int64_t n, int64_t cost) {
    const double least = VALUE_BITS == 32 ? 0x1p-126 : 0x1p-1022, left = VALUE_BITS == 32 ? 0x1p-24 : 0x1p-53;
    double sums[COST_SUMS] = {0};
    if (cost == COST_quadratic) {
        const int64_t whole = n / COST_SUMS * COST_SUMS;
        for (int64_t j = 0; j < whole; j += COST_SUMS)
            for (int k = 0; k < COST_SUMS; k++) {
                double difference = (double)a[j + k] - (double)y[j + k];
                sums[k] = __builtin_fma(difference, difference, sums[k]);
            }
        for (int64_t j = whole; j < n; j++) {
            double difference = (double)a[j] - (double)y[j];
            sums[j - whole] = __builtin_fma(difference, difference, sums[j - whole]);
        }
    } else {
        EACH(n) {
            double x = a[j], t = y[j];
            if (t != 0) sums[j % COST_SUMS] -= t * log(x < least ? least : x);
            if (cost == COST_binary_cross_entropy && t != 1)
                sums[j % COST_SUMS] -= (1 - t) * log(1 - x < left ? left : 1 - x);
        }
    }
    for (int half = COST_SUMS / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) sums[k] += sums[k + half];
    return cost == COST_quadratic ? sums[0] / 2 : sums[0];
}
#endif
