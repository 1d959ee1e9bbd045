/* What is done to rows of values: activations, derivatives, errors, sums and updates, n values without gaps each.

   A derivative is a function of the activation's output, so that inputs of activations are never kept. Comparisons are
   turned so that NaN stays NaN. */
#ifndef ROWS_H
#define ROWS_H
#include "elementary.h"
#include "operations.h"

#define LEAKY_SLOPE CONSTANT(0.01)
#define EACH(n) for (int64_t j = 0; j < (n); j++)

/* How the sum of a chunk of rows goes into an array: written over it, added on, or times `factor` added onto `keep` times
   what is there, which is rounded first. */
typedef struct {
    enum { WRITE, ADD, ADD_TIMES } how;
    T factor, keep; /* 1 but for ADD_TIMES */
} Into;

/* The output of an activation for an input v; softmax's needs whole rows, see `softmax`. */
INLINE T activated(T v, int64_t activation) {
    switch (activation) {
    case ACTIVATION_sigmoid:
        return sigmoid(v);
    case ACTIVATION_tanh:
        return tanh_of(v);
    case ACTIVATION_relu:
        return v < 0 ? 0 : v;
    case ACTIVATION_leaky_relu:
        return v < 0 ? LEAKY_SLOPE * v : v;
    case ACTIVATION_elu: {
        T below = expm1_of_negative(v < 0 ? v : 0); /* outside of a choice, for vectors' sake */
        return v < 0 ? below : v;
    }
    case ACTIVATION_softplus:
        return softplus(v);
    default:
        return v;
    }
}

/* z := softmax(z), a whole row. The sum is in double: it has many terms, each rounded once. */
static void softmax(T *z, int64_t n) {
    T largest = z[0];
    EACH(n) largest = z[j] > largest ? z[j] : largest;
    EACH(n) z[j] = exp_of_negative(z[j] - largest);
    double total = 0;
    EACH(n) total += z[j];
    T all = (T)total;
    EACH(n) z[j] /= all;
}

/* d times activation'(a), as a function of the output a. */
INLINE T times_slope(T d, T a, int64_t activation) {
    switch (activation) {
    case ACTIVATION_sigmoid:
        return d * FMA(-a, a, a);
    case ACTIVATION_tanh:
        return d * FMA(-a, a, 1);
    case ACTIVATION_relu:
        return a <= 0 ? 0 : d;
    case ACTIVATION_leaky_relu:
        return a <= 0 ? LEAKY_SLOPE * d : d;
    case ACTIVATION_elu:
        return a <= 0 ? d * (a + 1) : d;
    case ACTIVATION_softplus:
        return d * -expm1_of_negative(-a);
    default:
        return d;
    }
}

/* One loop for each activation, which the compiler makes of a function with that one alone. */
#define FOR_EACH_ACTIVATION(activation, LOOP) \
    switch (activation) {                     \
    case ACTIVATION_sigmoid:                  \
        LOOP(ACTIVATION_sigmoid) break;       \
    case ACTIVATION_tanh:                     \
        LOOP(ACTIVATION_tanh) break;          \
    case ACTIVATION_relu:                     \
        LOOP(ACTIVATION_relu) break;          \
    case ACTIVATION_leaky_relu:               \
        LOOP(ACTIVATION_leaky_relu) break;    \
    case ACTIVATION_elu:                      \
        LOOP(ACTIVATION_elu) break;           \
    case ACTIVATION_softplus:                 \
        LOOP(ACTIVATION_softplus) break;      \
    default:                                  \
        LOOP(ACTIVATION_identity) break;      \
    }

/* z := activation(x + b), with softmax left to be done; whether all are finite, by the largest exponent. In one pass: a
   second one over wide rows, which leave the first-level cache meanwhile, took 4% of a step. */
static int activate(const T *restrict x, const T *restrict b, T *restrict z, int64_t n, int64_t activation) {
    Bits worst = 0;
#define LOOP(which)                                  \
    EACH(n) {                                        \
        T v = activated(x[j] + b[j], which);         \
        Bits exponent = bits_of(v) & EXPONENT;       \
        worst = exponent > worst ? exponent : worst; \
        z[j] = v;                                    \
    }
    FOR_EACH_ACTIVATION(activation, LOOP)
#undef LOOP
    return worst < EXPONENT;
}

/* a := d * activation'(a). */
static void times_derivative(const T *restrict d, T *restrict a, int64_t n, int64_t activation) {
#define LOOP(which) EACH(n) a[j] = times_slope(d[j], a[j], which);
    FOR_EACH_ACTIVATION(activation, LOOP)
#undef LOOP
}

/* a := (a - y) * activation'(a): an output becomes its error. Softmax's derivative is in the cost, which cancels it. */
static void output_error(T *restrict a, const T *restrict y, int64_t n, int64_t activation) {
#define LOOP(which) EACH(n) a[j] = times_slope(a[j] - y[j], a[j], which);
    FOR_EACH_ACTIVATION(activation, LOOP)
#undef LOOP
}

/* Put sums into an array. */
static void put(const T *restrict sums, T *restrict out, int64_t n, Into into) {
    if (into.how == WRITE) memcpy(out, sums, (size_t)n * sizeof(T));
    else EACH(n) out[j] = FMA(into.factor, sums[j], into.keep * out[j]);
}

/* Whether none of n values is NaN or infinite: by the largest exponent. */
static int all_finite(const T *v, int64_t n) {
    Bits worst = 0;
    EACH(n) {
        Bits exponent = bits_of(v[j]) & EXPONENT;
        worst = exponent > worst ? exponent : worst;
    }
    return worst < EXPONENT;
}

/* w := w - rate * g. */
static void apply_gradient(T *restrict w, const T *restrict g, int64_t n, T rate) {
    EACH(n) w[j] = FMA(-rate, g[j], w[j]);
}

/* v := factor * v. */
static void scale(T *v, int64_t n, T factor) { EACH(n) v[j] *= factor; }

/* w := w + v. */
static void add_velocity(T *restrict w, const T *restrict v, int64_t n) { EACH(n) w[j] += v[j]; }

/* v := momentum * v, rounded, then v - rate * g, then w := w + v: in the order of sums onto a velocity. */
static void apply_momentum(T *restrict w, T *restrict v, const T *restrict g, int64_t n, T rate, T momentum) {
    EACH(n) {
        v[j] = FMA(-rate, g[j], momentum * v[j]);
        w[j] += v[j];
    }
}

enum { SUMMED_COLUMNS = 4 * LANES };

/* Sum the columns `from` to `to` of a chunk of an error's rows, first to last, into a bias's array; whether the
   results are finite. What is added onto is taken up at the beginning, so that a sum over chunks has one order. */
static int sum_rows(const T *delta, int64_t rows, int64_t n, int64_t from, int64_t to, T *out, Into into) {
    int finite = 1;
    for (int64_t first = from; first < to; first += SUMMED_COLUMNS) {
        int64_t m = smaller(SUMMED_COLUMNS, to - first);
        T sums[SUMMED_COLUMNS] = {0};
        if (into.how == ADD) memcpy(sums, out + first, (size_t)m * sizeof(T));
        if (m == SUMMED_COLUMNS) {
            V s[4];
            for (int v = 0; v < 4; v++) s[v] = load(sums + v * LANES);
            for (int64_t i = 0; i < rows; i++)
                for (int v = 0; v < 4; v++) s[v] += load(delta + i * n + first + v * LANES);
            for (int v = 0; v < 4; v++) store(sums + v * LANES, s[v]);
        } else {
            for (int64_t i = 0; i < rows; i++) EACH(m) sums[j] += delta[i * n + first + j];
        }
        finite &= all_finite(sums, m);
        put(sums, out + first, m, into.how == ADD_TIMES ? into : (Into){WRITE, 1, 1});
    }
    return finite;
}
#endif
