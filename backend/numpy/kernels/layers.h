/* One part of one stage of an operation, for values of one type. A stage is what may run between two barriers: its parts
   write different memory, and read none that another of them writes. Included once for float and once for double. */
#ifndef LAYERS_H
#define LAYERS_H
#include "costs.h"
#include "layers_of.h"
#include "optimizers.h"
#include "products.h"

/* `operation(w, g, ...)` on this part's share of `n` values. */
#define ON_SHARE(n)                           \
    int64_t from, to;                         \
    share(n, LANES, part, parts, &from, &to); \
    if (from < to)

static void update(const Step *s, T *w, T *v, const T *g, int64_t n, int64_t part, int64_t parts) {
    T rate = (T)s->rate, momentum = (T)s->momentum;
    ON_SHARE(n) {
        switch (s->kind) {
        case KIND_update_momentum:
            apply_momentum(w + from, v + from, g + from, to - from, rate, momentum);
            break;
        case KIND_add_velocity:
            add_velocity(w + from, v + from, to - from);
            break;
        default:
            apply_gradient(w + from, g + from, to - from, rate);
        }
    }
}

/* An update of the weights, of the biases, or of both: of those that the step has arrays for. */
static void update_both(const Step *s, int64_t part, int64_t parts) {
    int by_velocity = s->kind == KIND_add_velocity;
    if (by_velocity ? s->weight_velocity != NULL : s->weight_gradient != NULL)
        update(s, s->W, s->weight_velocity, s->weight_gradient, s->n_in * s->n_out, part, parts);
    if (by_velocity ? s->bias_velocity != NULL : s->bias_gradient != NULL)
        update(s, s->b, s->bias_velocity, s->bias_gradient, s->n_out, part, parts);
}

/* The block of rows of W that a stage of `backward_update` is about, as a step of its own. */
static Step block_of(const Step *s, int64_t block) {
    Step b = *s;
    int64_t first = block * s->block_rows;
    b.a = (T *)s->a + first;
    b.W = (T *)s->W + first * s->n_out;
    b.n_in = smaller(s->block_rows, s->n_in - first);
    b.first_unit = s->first_unit + first;
    b.next_gradient_values = b.next_W_values = 0;
    if (first) b.bias_gradient = NULL;
    return b;
}

/* `backward_update` where it is direct: first the bias's gradient, which is finite only where the whole error is. */
static int update_directly(const Step *s, int64_t stage, int64_t part, int64_t parts, void *scratch) {
    if (stage == 0) {
        ON_SHARE(s->n_out) {
            return sum_rows(s->delta, s->rows, s->n_out, from, to, s->bias_gradient, (Into){WRITE, 1, 1});
        }
        return 1;
    }
    gradient(s, s->W, NULL, (Into){ADD_TIMES, (T)-s->rate, 1}, part, parts, scratch);
    update(s, s->b, NULL, s->bias_gradient, s->n_out, part, parts);
    return 1;
}

/* Whether this part of a layer's error is finite, which is known before anything of the layer is touched. */
static int error_is_finite(const Step *s, int64_t part, int64_t parts) {
    int64_t top, bottom;
    share(s->rows, 1, part, parts, &top, &bottom);
    return !s->layer || all_finite((const T *)s->delta + top * s->n_out, (bottom - top) * s->n_out);
}

static int output_errors(const Step *s, int64_t part, int64_t parts) {
    int64_t top, bottom, finite = 1, n = s->n_out;
    share(s->rows, 1, part, parts, &top, &bottom);
    for (int64_t i = top; i < bottom; i++) {
        T *a = (T *)s->out + i * n;
        output_error(a, (const T *)s->y + i * s->y_leading, n, s->activation);
        if (s->layer) finite &= all_finite(a, n);
    }
    return (int)finite;
}

static int inputs_are_finite(const Step *s, int64_t part, int64_t parts) {
    int64_t top, bottom, finite = 1;
    share(s->rows, 1, part, parts, &top, &bottom);
    for (int64_t i = top; i < bottom; i++) finite &= all_finite((const T *)s->a + i * s->a_leading, s->n_in);
    return (int)finite;
}

/* Each row of the errors times its weight. */
static void scale_rows(const Step *s, int64_t part, int64_t parts) {
    int64_t top, bottom;
    share(s->rows, 1, part, parts, &top, &bottom);
    for (int64_t i = top; i < bottom; i++) scale((T *)s->out + i * s->n_out, s->n_out, ((const T *)s->row_weights)[i]);
}

int RUN_PART(const Step *s, int64_t stage, int64_t part, int64_t parts, void *scratch) {
    if (is_rule(s->kind)) {
        if (stage == 0 && s->rule.clip > 0) sum_squares(s, part, parts);
        else apply_rule(s, part, parts);
        return 1;
    }
    switch (s->kind) {
    case KIND_forward:
        return forward(s, part, parts, scratch);
    case KIND_output_error:
        return output_errors(s, part, parts);
    case KIND_cost:
        *(double *)s->total = COST_SUM(*(double *)s->total, s->cost, s->out, s->n_out, s->y, s->y_leading,
                                       s->row_weights, s->rows, s->n_out);
        return 1;
    case KIND_check_inputs:
        return inputs_are_finite(s, part, parts);
    case KIND_scale_rows:
        scale_rows(s, part, parts);
        return 1;
    case KIND_backward:
        if (stage == 0)
            return gradient(s, s->weight_gradient, s->bias_gradient, (Into){s->onto ? ADD : WRITE, 1, 1}, part, parts,
                            scratch);
        error_below(s, part, parts, scratch);
        return 1;
    case KIND_backward_momentum:
        if (stage == 0) return error_is_finite(s, part, parts);
        if (stage == 1)
            gradient(s, s->weight_velocity, s->bias_velocity,
                     (Into){ADD_TIMES, (T)-s->rate, s->onto ? 1 : (T)s->momentum}, part, parts, scratch);
        else error_below(s, part, parts, scratch);
        return 1;
    case KIND_backward_update: {
        if (is_direct(s)) return update_directly(s, stage, part, parts, scratch);
        Step b = block_of(s, stage / 3);
        if (stage % 3 == 0)
            return gradient(&b, b.weight_gradient, b.bias_gradient, (Into){WRITE, 1, 1}, part, parts, scratch);
        if (stage % 3 == 2) update_both(&b, part, parts);
        else if (b.activation != NO_ACTIVATION) error_below(&b, part, parts, scratch);
        return 1;
    }
    default:
        update_both(s, part, parts);
        return 1;
    }
}

int64_t SCRATCH_BYTES(int64_t n_in, int64_t n_out) { return scratch_bytes(n_in, n_out); }

/* `total` and the costs of rows, each times its weight where `weights` is not NULL: the sum of each chunk of CHUNK_ROWS
   rows in turn. So row blocks of whole chunks, and chunks that others have summed, have the bits of all rows at once. */
double COST_SUM(double total, int64_t cost, const void *outputs, int64_t a_leading, const void *targets,
                int64_t y_leading, const void *weights, int64_t rows, int64_t n) {
    for (int64_t start = 0; start < rows; start += CHUNK_ROWS) {
        double of_chunk = 0;
        for (int64_t i = start; i < smaller(start + CHUNK_ROWS, rows); i++) {
            double of_row = row_cost((const T *)outputs + i * a_leading, (const T *)targets + i * y_leading, n, cost);
            of_chunk += weights ? ((const T *)weights)[i] * of_row : of_row;
        }
        total += of_chunk;
    }
    return total;
}

/* The rows in which a and y have their (first) largest value in the same place. */
int64_t COUNT_CORRECT(const void *outputs, int64_t a_leading, const void *targets, int64_t y_leading, int64_t rows,
                      int64_t n) {
    int64_t correct = 0;
    for (int64_t i = 0; i < rows; i++) {
        const T *a = (const T *)outputs + i * a_leading, *y = (const T *)targets + i * y_leading;
        int64_t best_a = 0, best_y = 0;
        EACH(n) {
            best_a = a[j] > a[best_a] ? j : best_a;
            best_y = y[j] > y[best_y] ? j : best_y;
        }
        correct += best_a == best_y;
    }
    return correct;
}

double GRADIENT_NORM(const void *weight, int64_t n_weight, const void *bias, int64_t n_bias) {
    return gradient_norm(weight, n_weight, bias, n_bias);
}

int ALL_FINITE(const void *values, int64_t n) { return all_finite(values, n); }
#endif
