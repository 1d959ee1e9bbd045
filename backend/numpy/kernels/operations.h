/* What a program is made of: records of named slots, and the tables of codes. Python makes its dtype and its dictionaries
   from `engine_layout`, so each list below is the only one. Order gives the codes, from 0. */
#ifndef OPERATIONS_H
#define OPERATIONS_H
#include <stdint.h>

/* clang-format off */
#define KINDS(X) \
    X(forward) X(output_error) X(cost) \
    X(backward) X(update) X(update_momentum) \
    X(backward_update) \
    X(backward_momentum) X(add_velocity) \
    X(rule_sgd) X(rule_momentum) X(rule_nesterov) X(rule_adam) X(rule_rmsprop) X(rule_adagrad) \
    X(scale_rows) X(check_inputs)

#define ACTIVATIONS(X) \
    X(identity) X(sigmoid) X(tanh) X(relu) X(softmax) X(leaky_relu) X(elu) X(softplus)

#define COSTS(X) \
    X(quadratic) X(cross_entropy) X(binary_cross_entropy)

/* `layer` is named when a number is bad, and 0 where nothing is checked. Sizes and leadings (from a row to the next) are
   in values. `activation` is the layer's own, or in a backward kind that of the layer below; NO_ACTIVATION for the
   first layer, whose input stays as it is. `dropped_below` is 0 where no output is dropped; then come the layer, and the
   row of the mini-batch and the unit that its mask begins with. */
#define NUMBERS(X) \
    X(int8_t, kind) X(int8_t, activation) X(int8_t, cost) X(int8_t, onto) \
    X(int32_t, rows) X(int32_t, n_in) X(int32_t, n_out) X(int32_t, layer) \
    X(int32_t, a_leading) X(int32_t, y_leading) X(int32_t, block_rows) \
    X(uint32_t, dropped_below) X(int32_t, dropped_layer) X(int32_t, first_row) X(int32_t, first_unit)

/* Each address is `base << 48 | offset in bytes`: base 0 makes the offset an address, 0 is no array at all. */
#define ARRAYS(X) \
    X(a) X(W) X(b) X(out) X(delta) X(y) \
    X(weight_gradient) X(bias_gradient) X(weight_velocity) X(bias_velocity) X(total) \
    X(weight_square) X(bias_square) \
    X(row_weights)

/* The numbers of an optimizer's rule in a step, the same for all layers; see optimizers.h. */
#define RULE_NUMBERS(X) \
    X(rate) X(scale) X(l2) X(decay) X(clip) X(beta1) X(beta2) X(epsilon) X(correction)
/* clang-format on */

#define FIELD(type, name) type name;
#define ADDRESS(name) int64_t name;
typedef struct {
    NUMBERS(FIELD)
    ARRAYS(ADDRESS)
} Operation;
#undef FIELD
#undef ADDRESS

#define NUMBER(name) double name;
typedef struct {
    RULE_NUMBERS(NUMBER)
} RuleNumbers;
#undef NUMBER

#define CODE(name) KIND_##name,
enum { KINDS(CODE) N_KINDS };
#undef CODE
#define CODE(name) ACTIVATION_##name,
enum { ACTIVATIONS(CODE) N_ACTIVATIONS, NO_ACTIVATION = -1 };
#undef CODE
#define CODE(name) COST_##name,
enum { COSTS(CODE) N_COSTS };
#undef CODE
#define CODE(name) ARRAY_##name,
enum { ARRAYS(CODE) N_ARRAYS };
#undef CODE

static inline int is_rule(int64_t kind) { return kind >= KIND_rule_sgd && kind <= KIND_rule_adagrad; }

/* What a rule keeps beside each parameter: a velocity or a mean of gradients, and a mean or sum of their squares. */
static inline int keeps_velocity(int64_t kind) {
    return kind == KIND_rule_momentum || kind == KIND_rule_nesterov || kind == KIND_rule_adam;
}
static inline int keeps_square(int64_t kind) {
    return kind == KIND_rule_adam || kind == KIND_rule_rmsprop || kind == KIND_rule_adagrad;
}

/* A record with its addresses resolved, as the parts of an operation read it. */
#define POINTER(name) void *name;
typedef struct {
    int64_t kind, activation, cost, onto, rows, n_in, n_out, layer, a_leading, y_leading, block_rows;
    int64_t dropped_below, dropped_layer, first_row, first_unit;
    ARRAYS(POINTER)
    const void *next_gradient, *next_W; /* what the next operation reads, to be fetched meanwhile; NULL where nothing */
    int64_t next_gradient_values, next_W_values;
    double rate, momentum;
    uint64_t seed, step; /* of masks */
    RuleNumbers rule;
    double *squares; /* NORM_SHARES sums, of a gradient whose norm is clipped */
} Step;
#undef POINTER

enum { CHUNK_ROWS = 128 }; /* rows of the batch whose part of a gradient is summed in registers before it is added on */

/* Whether a gradient is added to the weights as it is made: it is one sum, and no layer below needs the old weights. */
static inline int is_direct(const Step *s) {
    return s->kind == KIND_backward_update && s->activation == NO_ACTIVATION && s->rows <= CHUNK_ROWS;
}

enum { NORM_SHARES = 64 }; /* of a gradient, each summed in one order, whoever does it */

enum { WORTH_A_THREAD = 1 << 17 }; /* multiply-adds a thread, at least: several times what it takes to begin a part */
#endif
