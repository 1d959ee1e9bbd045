/* The kernels for double. */
#define VALUE_BITS 64
#define RUN_PART run_part_64
#define SCRATCH_BYTES scratch_bytes_64
#define COST_SUM cost_sum_64
#define COUNT_CORRECT count_correct_64
#define GRADIENT_NORM gradient_norm_64
#define ALL_FINITE all_finite_64
#include "layers.h"
