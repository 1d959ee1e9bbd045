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
    X(backward_momentum) X(add_velocity)

#define ACTIVATIONS(X) \
    X(identity) X(sigmoid) X(tanh) X(relu) X(softmax) X(leaky_relu) X(elu) X(softplus)

#define COSTS(X) \
    X(quadratic) X(cross_entropy) X(binary_cross_entropy)

/* `layer` is named when a number is bad, and 0 where nothing is checked. Sizes and leadings (from a row to the next) are
   in values. `activation` is the layer's own, or in a backward kind that of the layer below; NO_ACTIVATION for the
   first layer, whose input stays as it is. */
#define NUMBERS(X) \
    X(int8_t, kind) X(int8_t, activation) X(int8_t, cost) X(int8_t, onto) \
    X(int32_t, rows) X(int32_t, n_in) X(int32_t, n_out) X(int32_t, layer) \
    X(int32_t, a_leading) X(int32_t, y_leading) X(int32_t, block_rows)

/* Each address is `base << 48 | offset in bytes`: base 0 makes the offset an address, 0 is no array at all. */
#define ARRAYS(X) \
    X(a) X(W) X(b) X(out) X(delta) X(y) \
    X(weight_gradient) X(bias_gradient) X(weight_velocity) X(bias_velocity) X(total)
/* clang-format on */

#define FIELD(type, name) type name;
#define ADDRESS(name) int64_t name;
typedef struct {
    NUMBERS(FIELD)
    ARRAYS(ADDRESS)
} Operation;
#undef FIELD
#undef ADDRESS

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

/* A record with its addresses resolved, as the parts of an operation read it. */
#define POINTER(name) void *name;
typedef struct {
    int64_t kind, activation, cost, onto, rows, n_in, n_out, layer, a_leading, y_leading, block_rows;
    ARRAYS(POINTER)
    const void *next_gradient, *next_W; /* what the next operation reads, to be fetched meanwhile; NULL where nothing */
    int64_t next_gradient_values, next_W_values;
    double rate, momentum;
} Step;
#undef POINTER

enum { WORTH_A_THREAD = 1 << 18 }; /* multiply-adds a thread, at least: several times what it takes to begin a part */
#endif
