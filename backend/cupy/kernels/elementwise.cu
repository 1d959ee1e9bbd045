// Elementwise kernels: one pass each, in place, no temporaries.
//
// A thread takes one column and goes down the rows where there are more of them than a grid can have. Arrays are
// row-major with leading dimensions, in values. Each value is computed from its own place alone, so results do not
// depend on the shape of the grid. NaN stays NaN, through ReLU too.

#define COLUMN ((long long)blockIdx.x * blockDim.x + threadIdx.x)
#define FOR_ROWS(i, rows) for (long long i = (long long)blockIdx.y * blockDim.y + threadIdx.y; i < (rows); \
                               i += (long long)gridDim.y * blockDim.y)

__device__ inline Item activate(Item x, long long activation) {
    if (activation == SIGMOID_ACTIVATION) {
        Item e = EXP(x < 0 ? x : -x);                       // never overflows
        return (x < 0 ? e : (Item)1) / ((Item)1 + e);
    }
    if (activation == TANH_ACTIVATION) return TANH(x);
    if (activation == RELU_ACTIVATION) return x < 0 ? (Item)0 : x;     // NaN is not below 0, and stays
    return x;
}

// d times the derivative of the activation, as a function of its output x. It is as accurate where x is almost 1 as
// elsewhere: x - x x with one rounding, and for tanh a product whose factors are exact there.
__device__ inline Item times_derivative(Item d, Item x, long long activation) {
    if (activation == SIGMOID_ACTIVATION) return d * FMA(-x, x, x);
    if (activation == TANH_ACTIVATION) return d * (((Item)1 - x) * ((Item)1 + x));
    if (activation == RELU_ACTIVATION) return x <= 0 ? (Item)0 : d;
    return d;
}

extern "C" __global__ void add_bias_activate(
        Item* z, long long z_leading, const Item* b, long long rows, long long columns, long long activation) {
    long long j = COLUMN;
    if (j >= columns) return;
    Item bias = b[j];
    FOR_ROWS(i, rows) z[i * z_leading + j] = activate(z[i * z_leading + j] + bias, activation);
}

extern "C" __global__ void output_delta(
        Item* a, long long a_leading, const Item* y, long long y_down, long long y_along,
        long long rows, long long columns, long long activation) {
    long long j = COLUMN;
    if (j >= columns) return;
    FOR_ROWS(i, rows) {
        Item x = a[i * a_leading + j];
        a[i * a_leading + j] = times_derivative(x - y[i * y_down + j * y_along], x, activation);
    }
}

extern "C" __global__ void hidden_delta(
        Item* a, long long a_leading, long long first, const Item* d, long long d_leading,
        long long rows, long long columns, long long activation) {
    long long j = COLUMN;
    if (j >= columns) return;
    FOR_ROWS(i, rows) {
        Item* x = a + i * a_leading + first + j;
        *x = times_derivative(d[i * d_leading + j], *x, activation);
    }
}

extern "C" __global__ void apply_gradient(
        Item* w, long long w_leading, const Item* g, long long g_leading,
        long long rows, long long columns, double rate) {
    long long j = COLUMN;
    if (j >= columns) return;
    Item r = (Item)rate;
    FOR_ROWS(i, rows) w[i * w_leading + j] -= r * g[i * g_leading + j];
}

extern "C" __global__ void apply_momentum(
        Item* w, long long w_leading, Item* v, long long v_leading, const Item* g, long long g_leading,
        long long rows, long long columns, double rate, double momentum) {
    long long j = COLUMN;
    if (j >= columns) return;
    Item r = (Item)rate, m = (Item)momentum;
    FOR_ROWS(i, rows) {
        Item velocity = m * v[i * v_leading + j] - r * g[i * g_leading + j];
        v[i * v_leading + j] = velocity;
        w[i * w_leading + j] += velocity;
    }
}
