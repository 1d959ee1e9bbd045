/* Random programs on arrays that are used again and again, for the sanitizers: each is run by one thread and by several,
   also by two callers at once, and must leave the same bits. Arguments: a seed and how many programs. Prints a digest. */
#include "program.h"
#include "team.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 5, MOST_OPERATIONS = 256, N_BASES = 6 };
enum { ARENA = 1, PARAMETERS, VELOCITIES, INPUTS, TARGETS };

typedef struct {
    int64_t layers, widths[MOST_LAYERS + 1], rows, bits, momentum, block, n, bytes[N_BASES];
    Operation operations[MOST_OPERATIONS];
} Net;

static uint64_t state;

static uint64_t draw(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static int64_t take(Net *net, int64_t base, int64_t values) {
    int64_t place = net->bytes[base];
    net->bytes[base] += values * net->bits / 8;
    return base << 48 | place;
}

static Operation *next(Net *net, int kind, int64_t layer) {
    Operation *o = net->operations + net->n++;
    *o = (Operation){.kind = (int8_t)kind, .layer = (int32_t)layer, .rows = (int32_t)net->rows};
    if (layer) {
        o->n_in = o->a_leading = (int32_t)net->widths[layer - 1];
        o->n_out = (int32_t)net->widths[layer];
    }
    return o;
}

/* Forward, recomputing every activation in place once; then back, by blocks of rows where there are several. */
static void make(Net *net) {
    static const int acts[] = {ACTIVATION_sigmoid, ACTIVATION_tanh, ACTIVATION_relu, ACTIVATION_elu,
                               ACTIVATION_softplus};
    int64_t W[MOST_LAYERS + 1], b[MOST_LAYERS + 1], vW[MOST_LAYERS + 1], vb[MOST_LAYERS + 1], a[MOST_LAYERS + 1];
    int64_t qW[MOST_LAYERS + 1], qb[MOST_LAYERS + 1];
    memset(net, 0, sizeof *net);
    net->layers = 1 + (int64_t)draw(MOST_LAYERS);
    net->rows = 1 + (int64_t)draw(400);
    net->bits = draw(2) ? 32 : 64;
    net->momentum = (int64_t)draw(9); /* 0 none, 1 and 2 momentum, from 3 on the rules of optimizers */
    net->block = draw(2) ? 128 : net->rows;
    int8_t act = (int8_t)acts[draw(5)], last = draw(2) ? act : ACTIVATION_softmax;
    int64_t widest = 1, largest = 1, L = net->layers, item = net->bits / 8;
    for (int64_t l = 0; l <= L; l++) {
        net->widths[l] = 1 + (int64_t)draw(l % 2 ? 300 : 90);
        if (net->widths[l] > widest) widest = net->widths[l];
    }
    a[0] = take(net, INPUTS, net->rows * net->widths[0]);
    for (int64_t l = 1; l <= L; l++) {
        int64_t n = net->widths[l - 1] * net->widths[l];
        if (n > largest) largest = n;
        W[l] = take(net, PARAMETERS, n);
        b[l] = take(net, PARAMETERS, net->widths[l]);
        vW[l] = take(net, VELOCITIES, n);
        vb[l] = take(net, VELOCITIES, net->widths[l]);
        qW[l] = take(net, VELOCITIES, n);
        qb[l] = take(net, VELOCITIES, net->widths[l]);
        a[l] = take(net, ARENA, net->rows * net->widths[l]);
    }
    int64_t y = take(net, TARGETS, net->rows * net->widths[L]), total = 0;
    int64_t gradient = take(net, ARENA, largest), bias = take(net, ARENA, widest);
    if (net->bits == 64) total = take(net, ARENA, 1);
    Operation *check = next(net, KIND_check_inputs, 1);
    check->n_out = 1, check->a = a[0];
    for (int twice = 0; twice < 2; twice++)
        for (int64_t l = 1; l <= L; l++) {
            Operation *o = next(net, KIND_forward, l);
            o->activation = l == L ? last : act;
            o->a = a[l - 1], o->W = W[l], o->b = b[l], o->out = a[l];
        }
    if (total) {
        Operation *o = next(net, KIND_cost, L);
        o->cost = COST_quadratic, o->out = a[L], o->y = y, o->y_leading = o->n_out, o->total = total;
    }
    Operation *o = next(net, KIND_output_error, L);
    o->activation = last, o->out = a[L], o->y = y, o->y_leading = o->n_out;
    for (int64_t l = L; l; l--) {
        int64_t n_in = net->widths[l - 1], n_out = net->widths[l];
        int whole = net->momentum == 0 && net->block == net->rows;
        for (int64_t top = 0; top < net->rows; top += net->block) {
            int64_t rows = net->rows - top < net->block ? net->rows - top : net->block;
            o = next(net,
                     net->momentum == 2 ? KIND_backward_momentum
                     : whole            ? KIND_backward_update
                                        : KIND_backward,
                     l);
            o->rows = (int32_t)rows, o->onto = top > 0;
            o->activation = l > 1 ? act : NO_ACTIVATION;
            o->a = a[l - 1] + top * n_in * item, o->delta = a[l] + top * n_out * item;
            o->W = W[l], o->b = b[l], o->block_rows = 1 + (int32_t)draw((uint64_t)n_in);
            o->weight_gradient = gradient, o->bias_gradient = bias;
            o->weight_velocity = vW[l], o->bias_velocity = vb[l];
        }
        if (whole) continue;
        o = next(net,
                 net->momentum > 2    ? KIND_rule_sgd + (int)net->momentum - 3
                 : net->momentum == 2 ? KIND_add_velocity
                 : net->momentum == 1 ? KIND_update_momentum
                                      : KIND_update,
                 l);
        o->W = W[l], o->b = b[l], o->weight_gradient = gradient, o->bias_gradient = bias;
        o->weight_velocity = vW[l], o->bias_velocity = vb[l];
        o->weight_square = qW[l], o->bias_square = qb[l];
    }
}

/* Fresh arrays of their exact sizes, so that a byte too far is seen. */
static void fill(const Net *net, Base *bases, uint64_t seed) {
    uint64_t before = state;
    state = seed;
    bases[0] = (Base){NULL, 0, 0};
    for (int k = 1; k < N_BASES; k++) {
        bases[k] = (Base){malloc((size_t)net->bytes[k] + 1), net->bytes[k], 1};
        for (int64_t i = 0; i < net->bytes[k] * 8 / net->bits; i++) {
            double x = ((double)draw(2001) - (k == VELOCITIES ? 0 : 1000)) / 4000; /* squares are not below 0 */
            if (net->bits == 32) ((float *)(void *)bases[k].address)[i] = (float)x;
            else ((double *)(void *)bases[k].address)[i] = x;
        }
    }
    state = before;
}

typedef struct {
    Call call;
    int64_t ended;
} Caller;

static void *run(void *argument) {
    Caller *caller = argument;
    Call *call = &caller->call;
    while (call->first >= 0 && call->first < call->n_operations) call->first = run_program(call);
    caller->ended = call->first;
    return NULL;
}

static uint64_t digest_of(const Net *net, Base *bases) {
    uint64_t found = 1469598103934665603u;
    for (int k = 1; k < N_BASES; k++) {
        for (int64_t i = 0; i < net->bytes[k]; i++)
            found = (found ^ (unsigned char)bases[k].address[i]) * 1099511628211u;
        free(bases[k].address);
    }
    return found;
}

int main(int argc, char **argv) {
    state = argc > 1 ? strtoull(argv[1], NULL, 10) * 2654435761u + 88172645463325252u : 88172645463325252u;
    int64_t programs = argc > 2 ? atoll(argv[2]) : 20;
    uint64_t all = 0;
    for (int64_t p = 0; p < programs; p++) {
        static Net net;
        const double clip = p % 2 ? 0.05 : 0;
        make(&net);
        const int64_t threads[] = {1, 2, 4, 3, 3};
        uint64_t seed = draw(1u << 30) + 1, found[5];
        Base bases[5][N_BASES];
        Caller callers[5];
        for (int way = 0; way < 5; way++) {
            fill(&net, bases[way], seed);
            callers[way].call = (Call){.operations = net.operations,
                                       .n_operations = net.n,
                                       .bases = bases[way],
                                       .n_bases = N_BASES,
                                       .value_bits = net.bits,
                                       .threads = threads[way],
                                       .rate = 0.01,
                                       .momentum = 0.5,
                                       .seconds = way == 1 ? 0 : 1, /* 0 seconds: each operation is a call */
                                       .rule = {0.01, 0.01, 0.001, 0.002, clip, 0.9, 0.99, 1e-6, 1.5}};
            int64_t slot;
            if (check_program(&callers[way].call, &slot) != net.n)
                return fprintf(stderr, "refused: slot %d\n", (int)slot), 2;
        }
        for (int way = 0; way < 3; way++) run(&callers[way]);
        pthread_t other;
        if (pthread_create(&other, NULL, run, &callers[3])) return 3;
        team_reserve(1 << (p % 19), 1 + p % 4); /* now or never: the other one may be at work */
        run(&callers[4]);
        pthread_join(other, NULL);
        for (int way = 0; way < 5; way++) {
            found[way] = digest_of(&net, bases[way]);
            if (found[way] != found[0] || callers[way].ended != callers[0].ended)
                return fprintf(stderr, "program %d, way %d: other bits\n", (int)p, way), 1;
        }
        all = (all ^ found[0]) * 1099511628211u;
    }
    printf("%016llx\n", (unsigned long long)all);
    return 0;
}
