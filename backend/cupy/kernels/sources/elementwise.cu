// Elementwise kernels: one pass each, in place, no temporaries. How threads share the values is said in packs.cuh.

__device__ inline Item activate(Item x, int activation) {
    if (activation == SIGMOID_ACTIVATION) {
        Item e = EXP(x < 0 ? x : -x); // never overflows
        return (x < 0 ? e : (Item)1) / ((Item)1 + e);
    }
    if (activation == TANH_ACTIVATION) return TANH(x);
    if (activation == RELU_ACTIVATION) return x < 0 ? (Item)0 : x; // NaN is not below 0, and stays
    if (activation == LEAKY_RELU_ACTIVATION) return x < 0 ? (Item)LEAKY_SLOPE * x : x;
    if (activation == ELU_ACTIVATION) return x < 0 ? EXPM1(x) : x;
    if (activation == SOFTPLUS_ACTIVATION) return (x < 0 ? (Item)0 : x) + LOG1P(EXP(x < 0 ? x : -x));
    return x;
}

// What follows a kernel's own numbers is that of a watched step, see watch.cuh: `code` is what a bad number is noted by,
// `layer` the one whose backward step this is.

// d times the derivative of the activation, as a function of its output x. One rounding of x - x x and of 1 - x x keeps
// it as accurate where x is almost 1 as elsewhere.
__device__ inline Item times_derivative(Item d, Item x, int activation) {
    if (activation == SIGMOID_ACTIVATION) return d * FMA(-x, x, x);
    if (activation == TANH_ACTIVATION) return d * FMA(-x, x, (Item)1);
    if (activation == RELU_ACTIVATION) return x <= 0 ? (Item)0 : d;
    if (activation == LEAKY_RELU_ACTIVATION) return x <= 0 ? (Item)LEAKY_SLOPE * d : d;
    if (activation == ELU_ACTIVATION) return x <= 0 ? d * (x + (Item)1) : d;
    if (activation == SOFTPLUS_ACTIVATION) return d * -EXPM1(-x);
    return d;
}

extern "C" __global__ void add_bias_activate(Item *z, long long z_leading, const Item *b, long long rows,
                                             long long columns, long long activation, Step *step, long long code) {
    long long j = COLUMN;
    if (j >= columns) return;
    int left = left_of(j, columns), which = (int)activation;
    bool bad = false;
    Range range = range_in(step);
    Pack bias = take(b + j, left);
    z += ROW * z_leading + j;
    FOR_ROWS {
        Pack x = take(z, left);
        EACH x.at[k] = activate(x.at[k] + bias.at[k], which);
        bad |= zeroed(x, range);
        put(z, x, left);
        z += ROWS_APART * z_leading;
    }
    if (bad && step) note_bad(step, code);
}

extern "C" __global__ void output_delta(Item *a, long long a_leading, const Item *y, long long y_leading,
                                        long long rows, long long columns, long long activation, Step *step,
                                        long long code) {
    long long j = COLUMN;
    if (j >= columns) return;
    int left = left_of(j, columns), which = (int)activation;
    bool bad = false;
    Range range = range_in(step);
    a += ROW * a_leading + j;
    y += ROW * y_leading + j;
    FOR_ROWS {
        Pack x = take(a, left), wanted = take(y, left);
        EACH x.at[k] = times_derivative(x.at[k] - wanted.at[k], x.at[k], which);
        bad |= zeroed(x, range);
        put(a, x, left);
        a += ROWS_APART * a_leading;
        y += ROWS_APART * y_leading;
    }
    if (bad && step) note_bad(step, code);
}

// The same for targets of any strides, one value at a time.
extern "C" __global__ void output_delta_strided(Item *a, long long a_leading, const Item *y, long long y_down,
                                                long long y_along, long long rows, long long columns,
                                                long long activation, Step *step, long long code) {
    long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= columns) return;
    bool bad = false;
    Range range = range_in(step);
    a += ROW * a_leading + j;
    y += ROW * y_down + j * y_along;
    FOR_ROWS {
        *a = times_derivative(*a - *y, *a, (int)activation);
        bad |= zeroed(*a, range);
        a += ROWS_APART * a_leading;
        y += ROWS_APART * y_down;
    }
    if (bad && step) note_bad(step, code);
}

extern "C" __global__ void hidden_delta(Item *a, long long a_leading, const Item *d, long long d_leading,
                                        long long rows, long long columns, long long activation, Step *step,
                                        long long layer) {
    long long j = COLUMN;
    if (j >= columns) return;
    int left = left_of(j, columns), which = (int)activation;
    bool bad = false;
    Range range = range_in(step);
    if (refuses(step, layer)) range.largest = -1; // every value becomes 0
    a += ROW * a_leading + j;
    d += ROW * d_leading + j;
    FOR_ROWS {
        Pack x = take(a, left), error = take(d, left);
        EACH x.at[k] = times_derivative(error.at[k], x.at[k], which);
        bad |= zeroed(x, range);
        put(a, x, left);
        a += ROWS_APART * a_leading;
        d += ROWS_APART * d_leading;
    }
    if (bad && step) note_bad(step, layer - 1);
}

extern "C" __global__ void scale_rows(Item *d, long long leading, const Item *weights, long long rows,
                                      long long columns, Step *step, long long code) {
    long long j = COLUMN;
    if (j >= columns) return;
    int left = left_of(j, columns);
    bool bad = false;
    Range range = range_in(step);
    d += ROW * leading + j;
    FOR_ROWS {
        Pack x = take(d, left);
        EACH x.at[k] *= weights[i];
        bad |= zeroed(x, range);
        put(d, x, left);
        d += ROWS_APART * leading;
    }
    if (bad && step) note_bad(step, code);
}

struct alignas(VALUES) Bytes {
    unsigned char at[VALUES];
};

// The compiler divides as the host does, with one rounding, unless it is told to hurry.
extern "C" __global__ void divide_bytes(Item *a, long long a_leading, const unsigned char *numbers,
                                        long long numbers_leading, long long rows, long long columns, double divisor) {
    long long j = COLUMN;
    if (j >= columns) return;
    int left = left_of(j, columns);
    Item over = (Item)divisor;
    a += ROW * a_leading + j;
    numbers += ROW * numbers_leading + j;
    FOR_ROWS {
        Bytes taken = {};
        if (left >= VALUES) taken = *(const Bytes *)numbers;
        else EACH if (k < left) taken.at[k] = numbers[k];
        Pack x;
        EACH x.at[k] = (Item)taken.at[k] / over;
        put(a, x, left);
        a += ROWS_APART * a_leading;
        numbers += ROWS_APART * numbers_leading;
    }
}

extern "C" __global__ void apply_gradient(Item *w, long long w_leading, const Item *g, long long g_leading,
                                          long long rows, long long columns, double rate, const Step *step,
                                          long long layer, long long of_step) {
    long long j = COLUMN;
    if (j >= columns || refuses(step, layer)) return;
    int left = left_of(j, columns);
    Item r = (Item)(of_step ? step->rate : rate);
    w += ROW * w_leading + j;
    g += ROW * g_leading + j;
    FOR_ROWS {
        Pack weight = take(w, left), gradient = take(g, left);
        EACH weight.at[k] -= r * gradient.at[k];
        put(w, weight, left);
        w += ROWS_APART * w_leading;
        g += ROWS_APART * g_leading;
    }
}

extern "C" __global__ void apply_momentum(Item *w, long long w_leading, Item *v, long long v_leading, const Item *g,
                                          long long g_leading, long long rows, long long columns, double rate,
                                          double momentum, const Step *step, long long layer) {
    long long j = COLUMN;
    if (j >= columns || refuses(step, layer)) return;
    int left = left_of(j, columns);
    Item r = (Item)rate, m = (Item)momentum;
    w += ROW * w_leading + j;
    v += ROW * v_leading + j;
    g += ROW * g_leading + j;
    FOR_ROWS {
        Pack weight = take(w, left), velocity = take(v, left), gradient = take(g, left);
        EACH {
            velocity.at[k] = m * velocity.at[k] - r * gradient.at[k];
            weight.at[k] += velocity.at[k];
        }
        put(v, velocity, left);
        put(w, weight, left);
        w += ROWS_APART * w_leading;
        v += ROWS_APART * v_leading;
        g += ROWS_APART * g_leading;
    }
}
