/* How optimizers change parameters by their gradients: one pass over each array, n values without gaps.

   A gradient is a sum over the mini-batch. `scale` makes it a mean, or less where the norm of the layer's whole gradient
   is clipped, and l2 times the parameter is added. `decay` takes its share of the parameter apart from that. Biases
   neither are pulled by l2 nor decay. For the other numbers see `backend/rules.py`, which defines the rules. */
#ifndef OPTIMIZERS_H
#define OPTIMIZERS_H
#include "packing.h"
#include "rows.h"

typedef struct {
    T rate, scale, l2, decay, beta1, fresh1, beta2, fresh2, epsilon, correction;
} Rule;

/* The sum of the squares of a share of n values, in double: eight sums side by side on every processor. */
static double squares_of_share(const T *g, int64_t n, int64_t number) {
    int64_t from = n / NORM_SHARES * number + smaller(number, n % NORM_SHARES);
    int64_t to = from + n / NORM_SHARES + (number < n % NORM_SHARES), whole = from + (to - from) / 8 * 8;
    double sums[8] = {0}, total = 0;
    for (int64_t j = from; j < whole; j += 8)
        for (int k = 0; k < 8; k++) sums[k] = __builtin_fma((double)g[j + k], (double)g[j + k], sums[k]);
    for (int64_t j = whole; j < to; j++) total = __builtin_fma((double)g[j], (double)g[j], total);
    for (int k = 0; k < 8; k++) total += sums[k];
    return total;
}

static double gradient_norm(const T *weight, int64_t n_weight, const T *bias, int64_t n_bias) {
    double total = 0;
    for (int64_t i = 0; i < NORM_SHARES; i++)
        total += squares_of_share(weight, n_weight, i) + squares_of_share(bias, n_bias, i);
    return sqrt(total);
}

/* This part's shares of a layer's gradient. */
static void sum_squares(const Step *s, int64_t part, int64_t parts) {
    for (int64_t i = NORM_SHARES * part / parts; i < NORM_SHARES * (part + 1) / parts; i++)
        s->squares[i] = squares_of_share(s->weight_gradient, s->weight_gradient ? s->n_in * s->n_out : 0, i) +
                        squares_of_share(s->bias_gradient, s->bias_gradient ? s->n_out : 0, i);
}

static double scale_of(const Step *s) {
    double scale = s->rule.scale, total = 0;
    if (s->rule.clip <= 0) return scale;
    for (int64_t i = 0; i < NORM_SHARES; i++) total += s->squares[i];
    double norm = sqrt(total) * scale;
    return norm > s->rule.clip ? scale * (s->rule.clip / norm) : scale;
}

static Rule rule_of(const Step *s) {
    const RuleNumbers n = s->rule;
    return (Rule){(T)n.rate,        (T)scale_of(s), (T)n.l2,          (T)n.decay,   (T)n.beta1,
                  (T)(1 - n.beta1), (T)n.beta2,     (T)(1 - n.beta2), (T)n.epsilon, (T)n.correction};
}

/* Each rule has these at hand: w, the mean gradient with l2, and the parameter after its decay. */
#define MEAN_GRADIENT FMA(r.l2, w[j], r.scale *g[j])
#define DECAYED FMA(-r.decay, w[j], w[j])

static void sgd(T *restrict w, const T *restrict g, int64_t n, Rule r) {
    EACH(n) w[j] = FMA(-r.rate, MEAN_GRADIENT, DECAYED);
}

static void momentum_sgd(T *restrict w, const T *restrict g, T *restrict v, int64_t n, Rule r) {
    EACH(n) {
        v[j] = FMA(-r.rate, MEAN_GRADIENT, r.beta1 * v[j]);
        w[j] = DECAYED + v[j];
    }
}

static void nesterov(T *restrict w, const T *restrict g, T *restrict v, int64_t n, Rule r) {
    EACH(n) {
        T x = MEAN_GRADIENT;
        v[j] = FMA(-r.rate, x, r.beta1 * v[j]);
        w[j] = DECAYED + FMA(-r.rate, x, r.beta1 * v[j]);
    }
}

static void adam(T *restrict w, const T *restrict g, T *restrict m, T *restrict q, int64_t n, Rule r) {
    EACH(n) {
        T x = MEAN_GRADIENT;
        m[j] = FMA(r.fresh1, x - m[j], m[j]);
        q[j] = FMA(r.fresh2, x * x, r.beta2 * q[j]);
        w[j] = FMA(-r.rate, m[j] / FMA(SQRT(q[j]), r.correction, r.epsilon), DECAYED);
    }
}

static void rmsprop(T *restrict w, const T *restrict g, T *restrict q, int64_t n, Rule r) {
    EACH(n) {
        T x = MEAN_GRADIENT;
        q[j] = FMA(r.fresh2, x * x, r.beta2 * q[j]);
        w[j] = FMA(-r.rate, x / (SQRT(q[j]) + r.epsilon), DECAYED);
    }
}

static void adagrad(T *restrict w, const T *restrict g, T *restrict q, int64_t n, Rule r) {
    EACH(n) {
        T x = MEAN_GRADIENT;
        q[j] = FMA(x, x, q[j]);
        w[j] = FMA(-r.rate, x / (SQRT(q[j]) + r.epsilon), DECAYED);
    }
}

static void apply_to(int64_t kind, T *w, const T *g, T *v, T *q, int64_t n, Rule r, int64_t part, int64_t parts) {
    int64_t from, to;
    share(n, LANES, part, parts, &from, &to);
    if (from >= to) return;
    w += from, g += from, n = to - from;
    if (keeps_velocity(kind)) v += from;
    if (keeps_square(kind)) q += from;
    switch (kind) {
    case KIND_rule_momentum:
        momentum_sgd(w, g, v, n, r);
        break;
    case KIND_rule_nesterov:
        nesterov(w, g, v, n, r);
        break;
    case KIND_rule_adam:
        adam(w, g, v, q, n, r);
        break;
    case KIND_rule_rmsprop:
        rmsprop(w, g, q, n, r);
        break;
    case KIND_rule_adagrad:
        adagrad(w, g, q, n, r);
        break;
    default:
        sgd(w, g, n, r);
    }
}

/* Change this part of the weights, of the biases, or of both: of those that the step has arrays for. */
static void apply_rule(const Step *s, int64_t part, int64_t parts) {
    Rule r = rule_of(s);
    if (s->weight_gradient)
        apply_to(s->kind, s->W, s->weight_gradient, s->weight_velocity, s->weight_square, s->n_in * s->n_out, r, part,
                 parts);
    r.l2 = r.decay = 0;
    if (s->bias_gradient)
        apply_to(s->kind, s->b, s->bias_gradient, s->bias_velocity, s->bias_square, s->n_out, r, part, parts);
}
#endif
