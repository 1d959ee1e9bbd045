/* The kernels for float. */
#define VALUE_BITS 32
#define RUN_PART run_part_32
#define SCRATCH_BYTES scratch_bytes_32
#define COST_SUM cost_sum_32
#define COUNT_CORRECT count_correct_32
#define GRADIENT_NORM gradient_norm_32
#define ALL_FINITE all_finite_32
#include "layers.h"
