/* What the kernels of each value type offer to the program: names that end in _32 or _64. */
#ifndef LAYERS_OF_H
#define LAYERS_OF_H
#include "operations.h"

#define DECLARE(bits)                                                                                              \
    /* One part of a stage; 0 where a number is bad that the step is to check. */                                  \
    int run_part_##bits(const Step *, int64_t stage, int64_t part, int64_t parts, void *scratch);                  \
    /* The scratch memory that a part of a layer n_in x n_out takes. */                                            \
    int64_t scratch_bytes_##bits(int64_t n_in, int64_t n_out);                                                     \
    double cost_sum_##bits(double total, int64_t cost, const void *a, int64_t a_leading, const void *y,            \
                           int64_t y_leading, const void *weights, int64_t rows, int64_t n);                       \
    int64_t count_correct_##bits(const void *a, int64_t a_leading, const void *y, int64_t y_leading, int64_t rows, \
                                 int64_t n);                                                                       \
    double gradient_norm_##bits(const void *weight, int64_t n_weight, const void *bias, int64_t n_bias);           \
    int all_finite_##bits(const void *values, int64_t n);
DECLARE(32)
DECLARE(64)
#undef DECLARE
#endif
