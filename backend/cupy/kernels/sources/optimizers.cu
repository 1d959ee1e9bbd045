// How optimizers change parameters by their gradients: one pass each, in place, no temporaries; and a gradient's norm.
//
// The rules are those of backend/rules.py, which defines their numbers. An array that a rule does not keep is 0.

enum Rule { SGD, MOMENTUM, NESTEROV, ADAM, RMSPROP, ADAGRAD };

struct Numbers {
    Item rate, scale, l2, decay, beta1, fresh1, beta2, fresh2, epsilon, correction;
};

// One parameter's step; `rule` is known where this is used.
__device__ inline void change(Rule rule, Item &w, Item g, Item &v, Item &q, const Numbers &r) {
    Item x = FMA(r.l2, w, r.scale * g), decayed = FMA(-r.decay, w, w);
    if (rule == SGD) w = FMA(-r.rate, x, decayed);
    if (rule == MOMENTUM || rule == NESTEROV) {
        v = FMA(-r.rate, x, r.beta1 * v);
        w = decayed + (rule == MOMENTUM ? v : FMA(-r.rate, x, r.beta1 * v));
    }
    if (rule == ADAM) {
        v = FMA(r.fresh1, x - v, v);
        q = FMA(r.fresh2, x * x, r.beta2 * q);
        w = FMA(-r.rate, v / FMA(SQRT(q), r.correction, r.epsilon), decayed);
    }
    if (rule == RMSPROP || rule == ADAGRAD) {
        q = rule == ADAGRAD ? FMA(x, x, q) : FMA(r.fresh2, x * x, r.beta2 * q);
        w = FMA(-r.rate, x / (SQRT(q) + r.epsilon), decayed);
    }
}

__device__ inline void apply(Rule rule, Item *w, long long w_leading, const Item *g, long long g_leading, Item *v,
                             long long v_leading, Item *q, long long q_leading, long long rows, long long columns,
                             const Numbers &r) {
    bool keeps_v = rule == MOMENTUM || rule == NESTEROV || rule == ADAM;
    bool keeps_q = rule == ADAM || rule == RMSPROP || rule == ADAGRAD;
    long long j = COLUMN;
    if (j >= columns) return;
    int left = left_of(j, columns);
    w += ROW * w_leading + j;
    g += ROW * g_leading + j;
    if (keeps_v) v += ROW * v_leading + j;
    if (keeps_q) q += ROW * q_leading + j;
    FOR_ROWS {
        Pack weight = take(w, left), gradient = take(g, left), velocity = {}, square = {};
        if (keeps_v) velocity = take(v, left);
        if (keeps_q) square = take(q, left);
        EACH change(rule, weight.at[k], gradient.at[k], velocity.at[k], square.at[k], r);
        put(w, weight, left);
        w += ROWS_APART * w_leading;
        g += ROWS_APART * g_leading;
        if (keeps_v) {
            put(v, velocity, left);
            v += ROWS_APART * v_leading;
        }
        if (keeps_q) {
            put(q, square, left);
            q += ROWS_APART * q_leading;
        }
    }
}

// Each kernel has these arguments, and applies its own rule: by `numbers`, those of a watched step, where it has some.
#define ARGUMENTS                                                                                                   \
    Item *w, long long w_leading, const Item *g, long long g_leading, Item *v, long long v_leading, Item *q,        \
        long long q_leading, long long rows, long long columns, double rate, double scale, double l2, double decay, \
        double beta1, double beta2, double epsilon, double correction, const Step *step, long long layer,           \
        const double *numbers
#define APPLY(rule)                                                                                   \
    if (refuses(step, layer)) return;                                                                 \
    if (numbers) {                                                                                    \
        rate = numbers[0], scale = numbers[1], l2 = numbers[2], decay = numbers[3];                   \
        beta1 = numbers[4], beta2 = numbers[5], epsilon = numbers[6], correction = numbers[7];        \
    }                                                                                                 \
    Numbers r = {(Item)rate,        (Item)scale, (Item)l2,          (Item)decay,   (Item)beta1,       \
                 (Item)(1 - beta1), (Item)beta2, (Item)(1 - beta2), (Item)epsilon, (Item)correction}; \
    apply(rule, w, w_leading, g, g_leading, v, v_leading, q, q_leading, rows, columns, r);

extern "C" __global__ void rule_sgd(ARGUMENTS) { APPLY(SGD) }
extern "C" __global__ void rule_momentum(ARGUMENTS) { APPLY(MOMENTUM) }
extern "C" __global__ void rule_nesterov(ARGUMENTS) { APPLY(NESTEROV) }
extern "C" __global__ void rule_adam(ARGUMENTS) { APPLY(ADAM) }
extern "C" __global__ void rule_rmsprop(ARGUMENTS) { APPLY(RMSPROP) }
extern "C" __global__ void rule_adagrad(ARGUMENTS){APPLY(ADAGRAD)}

// The sum of a block's threads' values, in pairs, for thread 0.
__device__ inline double sum_of_block(double own) {
    __shared__ double part[THREADS];
    part[threadIdx.x] = own;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    return part[0];
}

// Each block's part of the sum of squares of n values without gaps, in an order that depends on n alone.
extern "C" __global__ void squares(const Item *g, long long n, double *parts) {
    double total = 0;
    for (long long i = (long long)blockIdx.x * THREADS + threadIdx.x; i < n; i += (long long)gridDim.x * THREADS)
        total = fma((double)g[i], (double)g[i], total);
    total = sum_of_block(total);
    if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

// *sum := the sum of n parts, by one block.
extern "C" __global__ void add_up(const double *parts, long long n, double *sum) {
    double total = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) total += parts[i];
    total = sum_of_block(total);
    if (threadIdx.x == 0) *sum = total;
}
