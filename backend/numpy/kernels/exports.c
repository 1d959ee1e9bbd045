/* What Python calls. Nothing here asks what it is given: `backend/numpy/kernels/engine.py` has done so. */
#include "layers_of.h"
#include "level.h"
#include "program.h"
#include "team.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#ifndef SOURCES_HASH
#define SOURCES_HASH "none"
#endif
#ifndef LEVEL
#define LEVEL 0
#endif

/* The hash of the sources that this object was made of; the caller owns nothing. */
EXPORT const char *engine_sources(void) { return SOURCES_HASH; }

/* Whether this processor can run what is in this object. */
EXPORT int64_t engine_runs_here(void) { return level_runs_here(LEVEL); }

/* Fields of a record with their C types, and the names of all codes in their order, a list a line. */
EXPORT const char *engine_layout(void) {
#define FIELD(type, name) #name ":" #type " "
#define ADDRESS(name) #name ":int64_t "
#define NAME(name) #name " "
    return NUMBERS(FIELD) ARRAYS(ADDRESS) "\n" KINDS(NAME) "\n" ACTIVATIONS(NAME) "\n" COSTS(NAME) "\n" ARRAYS(
        NAME) "\n" RULE_NUMBERS(NAME);
}

EXPORT int64_t engine_record_bytes(void) { return sizeof(Operation); }

/* See `run_program`. The call and what it points at belong to the caller, and outlive the call. */
EXPORT int64_t engine_run(const Call *call) { return run_program(call); }

/* See `check_program`. */
EXPORT int64_t engine_check(const Call *call, int64_t *array) { return check_program(call, array); }

/* The threads that the last job had. */
EXPORT int64_t engine_threads(void) { return team_threads(); }

/* The scratch memory that a thread takes for a layer n_in x n_out. */
EXPORT int64_t engine_scratch_bytes(int64_t n_in, int64_t n_out, int64_t value_bits) {
    return value_bits == 32 ? scratch_bytes_32(n_in, n_out) : scratch_bytes_64(n_in, n_out);
}

/* See `team_reserve`. */
EXPORT void engine_reserve(int64_t bytes, int64_t threads) { team_reserve(bytes, threads); }

/* See `team_scratch_bytes`. */
EXPORT int64_t engine_reserved_bytes(void) { return team_scratch_bytes(); }

/* Whether none of n values, without gaps, is NaN or infinite. */
EXPORT int64_t engine_all_finite(const void *values, int64_t n, int64_t value_bits) {
    return value_bits == 32 ? all_finite_32(values, n) : all_finite_64(values, n);
}

/* The norm of a layer's gradient, the weights' and the bias's together, without gaps. */
EXPORT double engine_gradient_norm(const void *weight, int64_t n_weight, const void *bias, int64_t n_bias,
                                   int64_t value_bits) {
    return value_bits == 32 ? gradient_norm_32(weight, n_weight, bias, n_bias)
                            : gradient_norm_64(weight, n_weight, bias, n_bias);
}

/* The cost of outputs a against targets y, (rows, n) by their leadings, summed, each row times its
   weight unless `weights` is NULL; see COSTS. */
EXPORT double engine_cost(int64_t cost, const void *a, int64_t a_leading, const void *y, int64_t y_leading,
                          const void *weights, int64_t rows, int64_t n, int64_t value_bits) {
    return value_bits == 32 ? cost_sum_32(0, cost, a, a_leading, y, y_leading, weights, rows, n)
                            : cost_sum_64(0, cost, a, a_leading, y, y_leading, weights, rows, n);
}

/* The rows in which outputs a and targets y have their largest value in the same place. */
EXPORT int64_t engine_count_correct(const void *a, int64_t a_leading, const void *y, int64_t y_leading, int64_t rows,
                                    int64_t n, int64_t value_bits) {
    return value_bits == 32 ? count_correct_32(a, a_leading, y, y_leading, rows, n)
                            : count_correct_64(a, a_leading, y, y_leading, rows, n);
}
