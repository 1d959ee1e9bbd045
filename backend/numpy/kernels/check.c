/* The door of programs: every record is looked at once, before it is run, so that the kernels need not ask. */
#include "program.h"

#define BIT(name) (1u << ARRAY_##name)
enum { OFFSET_BITS = 48 };

/* What a kind reads and writes: arrays that it must have, those that may be absent, and those of all that it writes. */
typedef struct {
    unsigned needed, optional, written;
} Needs;

static Needs needs_of(const Operation *o) {
    const unsigned below = o->activation == NO_ACTIVATION ? 0 : BIT(W), a_written = below ? BIT(a) : 0;
    const unsigned gradients = BIT(weight_gradient) | BIT(bias_gradient);
    const unsigned velocities = BIT(weight_velocity) | BIT(bias_velocity), parameters = BIT(W) | BIT(b);
    if (is_rule(o->kind)) {
        const unsigned squares = BIT(weight_square) | BIT(bias_square);
        const unsigned kept = (keeps_velocity(o->kind) ? velocities : 0) | (keeps_square(o->kind) ? squares : 0);
        return (Needs){0, gradients | kept | parameters, kept | parameters};
    }
    switch (o->kind) {
    case KIND_forward:
        return (Needs){BIT(a) | BIT(W) | BIT(b) | BIT(out), 0, BIT(out)};
    case KIND_output_error:
        return (Needs){BIT(out) | BIT(y), 0, BIT(out)};
    case KIND_cost:
        return (Needs){BIT(out) | BIT(y) | BIT(total), BIT(row_weights), BIT(total)};
    case KIND_check_inputs:
        return (Needs){BIT(a), 0, 0};
    case KIND_scale_rows:
        return (Needs){BIT(out) | BIT(row_weights), 0, BIT(out)};
    case KIND_backward:
        return (Needs){BIT(a) | BIT(delta) | below | BIT(weight_gradient), BIT(bias_gradient), gradients | a_written};
    case KIND_backward_update:
        return (Needs){BIT(a) | BIT(delta) | parameters | gradients, 0, gradients | a_written | parameters};
    case KIND_backward_momentum:
        return (Needs){BIT(a) | BIT(delta) | below | BIT(weight_velocity), BIT(bias_velocity), velocities | a_written};
    case KIND_update:
        return (Needs){0, gradients | parameters, parameters};
    case KIND_update_momentum:
        return (Needs){0, gradients | velocities | parameters, velocities | parameters};
    default:
        return (Needs){0, velocities | parameters, parameters};
    }
}

/* The values from a slot's address on that an operation may touch: below 2^63, as each factor is below 2^31. */
static int64_t values_of(const Operation *o, int array) {
    const int64_t n_in = o->n_in, n_out = o->n_out, last = (int64_t)o->rows - 1;
    switch (array) {
    case ARRAY_a:
        return last * o->a_leading + n_in;
    case ARRAY_y:
        return last * o->y_leading + n_out;
    case ARRAY_out:
    case ARRAY_delta:
        return o->rows * n_out;
    case ARRAY_b:
    case ARRAY_bias_gradient:
    case ARRAY_bias_velocity:
    case ARRAY_bias_square:
        return n_out;
    case ARRAY_row_weights:
        return o->rows;
    case ARRAY_total:
        return 1;
    case ARRAY_weight_gradient:
        if (o->kind == KIND_backward_update && o->block_rows < n_in) return o->block_rows * n_out;
        return n_in * n_out;
    default:
        return n_in * n_out;
    }
}

/* Whether an operation's numbers make sense for its kind. */
static int numbers_fit(const Operation *o) {
    const int multiplies = o->kind == KIND_forward || o->kind == KIND_backward || o->kind == KIND_backward_update ||
                           o->kind == KIND_backward_momentum;
    const int has_a = multiplies || o->kind == KIND_check_inputs;
    const int by_rows = has_a || o->kind == KIND_output_error || o->kind == KIND_cost || o->kind == KIND_scale_rows;
    const int lowest = multiplies && o->kind != KIND_forward ? NO_ACTIVATION : 0;
    if (o->kind < 0 || o->kind >= N_KINDS || o->cost < 0 || o->cost >= N_COSTS || o->layer < 0) return 0;
    if (o->activation < lowest || o->activation >= N_ACTIVATIONS) return 0;
    if (lowest == NO_ACTIVATION && o->activation == ACTIVATION_softmax) return 0; /* not elementwise */
    if (o->first_row < 0 || o->first_unit < 0 || o->dropped_layer < 0) return 0;
    if (o->n_out < 1 || (by_rows ? o->rows < 1 : o->rows < 0)) return 0;
    if (has_a && (o->n_in < 1 || o->a_leading < o->n_in)) return 0;
    if (!has_a && !by_rows && o->n_in < 0) return 0;
    if ((o->kind == KIND_output_error || o->kind == KIND_cost) && o->y_leading < o->n_out) return 0;
    return o->kind != KIND_backward_update || o->block_rows >= 1;
}

/* Whether an update has both arrays of each pair that it has one of, for weights and for biases. */
static int pairs_fit(const Operation *o) {
    const int has_W = o->W != 0, has_b = o->b != 0;
    const int weight_velocity = o->weight_velocity != 0, bias_velocity = o->bias_velocity != 0;
    if (is_rule(o->kind)) {
        const int velocity = keeps_velocity(o->kind), square = keeps_square(o->kind);
        const int weights_fit = has_W == (o->weight_gradient != 0) && (!velocity || has_W == weight_velocity) &&
                                (!square || has_W == (o->weight_square != 0));
        const int biases_fit = has_b == (o->bias_gradient != 0) && (!velocity || has_b == bias_velocity) &&
                               (!square || has_b == (o->bias_square != 0));
        return weights_fit && biases_fit;
    }
    switch (o->kind) {
    case KIND_update:
        return has_W == (o->weight_gradient != 0) && has_b == (o->bias_gradient != 0);
    case KIND_update_momentum:
        return has_W == (o->weight_gradient != 0) && has_b == (o->bias_gradient != 0) && has_W == weight_velocity &&
               has_b == bias_velocity;
    case KIND_add_velocity:
        return has_W == weight_velocity && has_b == bias_velocity;
    default:
        return 1;
    }
}

/* Whether a slot's base is one of the call's, or 0: all that is asked of slots that a kind does not use. */
static int has_base(const Call *call, int64_t slot) {
    const int64_t number = slot >> OFFSET_BITS;
    return number >= 0 && number < call->n_bases;
}

/* Whether so many values lie in a slot's base, each at a multiple of its bytes. */
static int slot_fits(const Call *call, int64_t slot, int64_t values, int64_t value_bytes, int written) {
    const int64_t number = slot >> OFFSET_BITS, offset = slot & (((int64_t)1 << OFFSET_BITS) - 1);
    if (number < 1 || !has_base(call, slot)) return 0;
    const Base *base = call->bases + number;
    if (written && !base->writable) return 0;
    if (((int64_t)(uintptr_t)base->address + offset) % value_bytes != 0 || offset > base->bytes) return 0;
    return values <= (base->bytes - offset) / value_bytes;
}

/* Whether an operation is what its kind asks for, inside its bases; `*array` as for a program. */
static int operation_fits(const Call *call, const Operation *o, int64_t *array) {
    *array = -1;
    if (!numbers_fit(o) || !pairs_fit(o)) return 0;
    const Needs needs = needs_of(o);
    int64_t slot = 0;
#define CHECK(name)                                                                                                \
    *array = ARRAY_##name;                                                                                         \
    slot = o->name;                                                                                                \
    if (slot == 0) {                                                                                               \
        if (needs.needed & BIT(name)) return 0;                                                                    \
    } else if ((needs.needed | needs.optional) & BIT(name)) {                                                      \
        const int64_t bytes = ARRAY_##name == ARRAY_total ? (int64_t)sizeof(double) : call->value_bits / 8;        \
        if (!slot_fits(call, slot, values_of(o, ARRAY_##name), bytes, (needs.written & BIT(name)) != 0)) return 0; \
    } else if (!has_base(call, slot)) {                                                                            \
        return 0;                                                                                                  \
    }
    ARRAYS(CHECK)
#undef CHECK
    return 1;
}

/* Whether a slot stays in its base, of either sign, as far as the last time; then so do the times between. */
static int slot_moves(int64_t first, int64_t second, int64_t last) {
    const int64_t offset = first & (((int64_t)1 << OFFSET_BITS) - 1), step = second - first;
    if (first >> OFFSET_BITS != second >> OFFSET_BITS || (first == 0) != (second == 0)) return 0;
    if (step == 0) return 1;
    const int64_t room = step > 0 ? ((int64_t)1 << OFFSET_BITS) - 1 - offset : offset;
    return last <= room / (step > 0 ? step : -step);
}

/* Whether a repeated operation does the same each time, as far as the last one; `*array` as for a program. */
static int operation_repeats(const Call *call, const Operation *first, const Operation *second, int64_t times,
                             int64_t *array) {
    *array = -1;
    const int64_t last = times - 1, row = first->first_row + last * ((int64_t)second->first_row - first->first_row);
    if (row < 0 || row > INT32_MAX) return 0;
    Operation same = *first;
    same.first_row = second->first_row;
#define SAME(type, name) \
    if (same.name != second->name) return 0;
    NUMBERS(SAME)
#undef SAME
#define MOVES(name)        \
    *array = ARRAY_##name; \
    if (!slot_moves(first->name, second->name, last)) return 0;
    ARRAYS(MOVES)
#undef MOVES
    const Operation o = moved_on(first, second, last);
    return operation_fits(call, &o, array);
}

int64_t check_program(const Call *call, int64_t *array) {
    for (int64_t i = 0; i < call->n_operations; i++)
        if (!operation_fits(call, call->operations + i, array)) return i;
    int64_t end = 0;
    for (const Repeat *r = call->repeats; r < call->repeats + call->n_repeats; r++) {
        if (r->first < end || r->length < 1 || r->times < 2 || r->times > INT32_MAX) return WRONG_REPEAT;
        if (r->length > call->n_operations / 2 || r->first > call->n_operations - 2 * r->length) return WRONG_REPEAT;
        end = r->first + 2 * r->length;
        for (int64_t i = r->first; i < r->first + r->length; i++) {
            const Operation *o = call->operations + i;
            if (!operation_repeats(call, o, o + r->length, r->times, array)) return i;
        }
    }
    return call->n_operations;
}
