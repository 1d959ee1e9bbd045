/* Running a program: each operation is a few stages of the team's job. */
#include "program.h"
#include "clock.h"
#include "layers_of.h"
#include "team.h"
#include <stdatomic.h>
#include <stddef.h>

enum { OFFSET_BITS = 48, FETCHED_ROWS = 512 };

/* The address that a slot stands for. */
static void *address_of(int64_t slot, const Base *bases) {
    if (!slot) return NULL;
    return bases[slot >> OFFSET_BITS].address + (slot & (((int64_t)1 << OFFSET_BITS) - 1));
}

Step resolved(const Operation *o, const Base *bases) {
    Step s = {.kind = o->kind,
              .activation = o->activation,
              .cost = o->cost,
              .onto = o->onto,
              .rows = o->rows,
              .n_in = o->n_in,
              .n_out = o->n_out,
              .layer = o->layer,
              .a_leading = o->a_leading,
              .y_leading = o->y_leading,
              .block_rows = o->block_rows,
              .dropped_below = o->dropped_below,
              .dropped_layer = o->dropped_layer,
              .first_row = o->first_row,
              .first_unit = o->first_unit};
#define RESOLVE(name) s.name = address_of(o->name, bases);
    ARRAYS(RESOLVE)
#undef RESOLVE
    return s;
}

Operation moved_on(const Operation *first, const Operation *second, int64_t time) {
    Operation o = *first;
    o.first_row = (int32_t)(o.first_row + time * (second->first_row - first->first_row));
#define MOVE(name) o.name += time * (second->name - first->name);
    ARRAYS(MOVE)
#undef MOVE
    return o;
}

/* Where a program is: at an operation, the time that it is done, and the repeat that it is in or before. */
typedef struct {
    int64_t operation, time;
    const Repeat *repeat;
} Place;

static int in_repeat(const Call *call, Place p) {
    return p.repeat < call->repeats + call->n_repeats && p.operation >= p.repeat->first;
}

static Place place_of(const Call *call) {
    Place p = {call->first & (((int64_t)1 << TIME_BITS) - 1), call->first >> TIME_BITS, call->repeats};
    while (p.repeat < call->repeats + call->n_repeats && p.operation >= p.repeat->first + 2 * p.repeat->length)
        p.repeat++;
    return p;
}

static int64_t position_of(Place p) { return p.time << TIME_BITS | p.operation; }

static Place following(const Call *call, Place p) {
    int within = in_repeat(call, p);
    p.operation++;
    if (within && p.operation == p.repeat->first + p.repeat->length) {
        if (++p.time < p.repeat->times) {
            p.operation = p.repeat->first;
        } else {
            p.operation += p.repeat->length;
            p.time = 0;
            p.repeat++;
        }
    }
    return p;
}

static Operation operation_at(const Call *call, Place p) {
    const Operation *o = call->operations + p.operation;
    return in_repeat(call, p) ? moved_on(o, o + p.repeat->length, p.time) : *o;
}

/* Have fetched meanwhile what the next operation reads: with few rows, as with many it takes too little of the time. */
static void look_ahead(Step *s, const Operation *next, const Base *bases) {
    int64_t values = (int64_t)next->n_in * next->n_out;
    if (s->rows > FETCHED_ROWS) return;
    if (next->kind == KIND_forward && s->kind == KIND_forward) {
        s->next_W = address_of(next->W, bases);
        s->next_W_values = values;
    } else if (next->kind == s->kind && (s->kind == KIND_backward || s->kind == KIND_backward_momentum)) {
        int summed = s->kind == KIND_backward_momentum || next->onto;
        s->next_gradient = address_of(s->kind == KIND_backward ? next->weight_gradient : next->weight_velocity, bases);
        s->next_gradient_values = summed ? values : 0;
        s->next_W = address_of(next->W, bases);
        s->next_W_values = s->next_W ? values : 0;
    }
}

typedef struct {
    Job job; /* first: a pointer to it is one to the whole */
    const Call *call;
    Place place;
    int64_t stage, stages;
    Step step;
    atomic_int bad;
    double deadline;
    int begun;
    double squares[NORM_SHARES];
} Running;

static int64_t stages_of(const Step *s) {
    if (is_rule(s->kind)) return s->rule.clip > 0 ? 2 : 1; /* the norm is known before anything is changed */
    if (is_direct(s)) return 2;
    if (s->kind == KIND_backward_update) return 3 * ((s->n_in + s->block_rows - 1) / s->block_rows);
    int stages = s->kind == KIND_backward_momentum ? 2 : 1;
    int backward = s->kind == KIND_backward || s->kind == KIND_backward_momentum;
    return backward && s->activation != NO_ACTIVATION ? stages + 1 : stages;
}

static int64_t parts_of(const Step *s, int64_t stage, int64_t threads) {
    int64_t n_in = s->n_in, work = 12;
    switch (s->kind) {
    case KIND_cost:
        return 1;
    case KIND_check_inputs:
        work = 8 * s->rows;
        break;
    case KIND_output_error:
    case KIND_scale_rows:
        work = 16 * s->rows;
        n_in = 1;
        break;
    case KIND_backward_update:
        if (is_direct(s)) {
            work = s->rows;
            if (stage == 0) n_in = 1;
            break;
        }
        n_in = s->block_rows < n_in ? s->block_rows : n_in;
        work = stage % 3 == 2 ? 8 : s->rows;
        break;
    case KIND_backward_momentum:
        work = s->rows;
        if (stage == 0) n_in = 1;
        break;
    case KIND_forward:
    case KIND_backward:
        work = s->rows;
    }
    int64_t worth = work * n_in * s->n_out / WORTH_A_THREAD;
    return worth < 1 ? 1 : worth < threads ? worth : threads;
}

static int64_t next_stage(Job *job, int64_t threads) {
    Running *r = (Running *)job;
    const Call *call = r->call;
    if (r->begun) {
        if (atomic_load_explicit(&r->bad, memory_order_relaxed)) return 0;
        if (++r->stage < r->stages) return parts_of(&r->step, r->stage, threads);
        r->place = following(call, r->place);
        if (r->place.operation < call->n_operations && seconds_now() >= r->deadline) return 0;
    }
    if (r->place.operation == call->n_operations) return 0;
    const Operation o = operation_at(call, r->place);
    r->step = resolved(&o, call->bases);
    r->step.rate = call->rate;
    r->step.momentum = call->momentum;
    r->step.seed = call->seed;
    r->step.step = call->step;
    r->step.rule = call->rule;
    r->step.squares = r->squares;
    Place next = following(call, r->place);
    if (next.operation < call->n_operations) {
        const Operation after = operation_at(call, next);
        look_ahead(&r->step, &after, call->bases);
    }
    r->stage = 0;
    r->stages = stages_of(&r->step);
    r->begun = 1;
    return parts_of(&r->step, 0, threads);
}

static void run_part(Job *job, int64_t part, int64_t parts, void *scratch) {
    Running *r = (Running *)job;
    int fine = r->call->value_bits == 32 ? run_part_32(&r->step, r->stage, part, parts, scratch)
                                         : run_part_64(&r->step, r->stage, part, parts, scratch);
    if (!fine && r->step.layer) atomic_store_explicit(&r->bad, 1, memory_order_relaxed);
}

int64_t run_program(const Call *call) {
    Running r = {.job = {next_stage, run_part, 1, 1}, .call = call, .place = place_of(call)};
    for (int64_t i = in_repeat(call, r.place) ? r.place.repeat->first : r.place.operation; i < call->n_operations;
         i++) {
        const Operation *o = call->operations + i;
        Step s = {.kind = o->kind, .activation = o->activation, .rows = o->rows, .n_in = o->n_in, .n_out = o->n_out};
        s.block_rows = o->block_rows;
        int64_t bytes = call->value_bits == 32 ? scratch_bytes_32(s.n_in, s.n_out) : scratch_bytes_64(s.n_in, s.n_out);
        int in_second = s.kind == KIND_backward_momentum || is_direct(&s); /* the stage of most work */
        int64_t parts = parts_of(&s, in_second, call->threads);
        if (bytes > r.job.scratch_bytes) r.job.scratch_bytes = bytes;
        if (parts > r.job.threads) r.job.threads = parts;
    }
    r.deadline = seconds_now() + call->seconds;
    if (team_do(&r.job)) return NO_MEMORY;
    return atomic_load(&r.bad) ? -1 - position_of(r.place) : position_of(r.place);
}
