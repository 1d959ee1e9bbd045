// What is reported of a network's output: its cost, and how many rows are right. One partial result a block, added up on
// the host.

// parts[block] := the cost of the block's rows, in double; outputs count as at least `smallest`, and 1 less one as `left`
extern "C" __global__ void cost_parts(const Item *a, long long a_down, long long a_along, const Item *y,
                                      long long y_down, long long y_along, long long rows, long long columns,
                                      long long cost, double smallest, double left, const Item *weights,
                                      double *parts) {
    __shared__ double part[THREADS];
    int lanes = blockDim.x, place = threadIdx.y * lanes + threadIdx.x;
    double total = 0;
    for (long long i = (long long)blockIdx.x * blockDim.y + threadIdx.y; i < rows;
         i += (long long)gridDim.x * blockDim.y) {
        double of_row = 0;
        for (long long j = threadIdx.x; j < columns; j += lanes) {
            double x = a[i * a_down + j * a_along], wanted = y[i * y_down + j * y_along];
            if (cost == QUADRATIC_COST) of_row += (x - wanted) * (x - wanted) / 2;
            else if (wanted != 0) of_row -= wanted * log(x < smallest ? smallest : x);
            if (cost == BINARY_CROSS_ENTROPY_COST && wanted != 1)
                of_row -= (1 - wanted) * log(1 - x < left ? left : 1 - x);
        }
        total += weights ? weights[i] * of_row : of_row;
    }
    part[place] = total;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (place < half) part[place] += part[place + half];
    }
    if (place == 0) parts[blockIdx.x] = part[0];
}

// *total += the parts, in their order: one thread, as they are few
extern "C" __global__ void add_parts(const double *parts, long long count, double *total) {
    double sum = 0;
    for (long long i = 0; i < count; i++) sum += parts[i];
    *total += sum;
}

// Whether v in column j beats u in column i as the largest of a row: the larger value, or the first of equals. As in a
// loop from the left, a NaN is largest in column 0 and nowhere else. A column past the end holds nothing.
__device__ inline bool is_better(Item v, long long j, Item u, long long i, long long columns) {
    if (j >= columns) return false;
    if (v != v) return j == 0;
    if (i >= columns) return true;
    if (u != u) return false;
    return v > u || (v == u && j < i);
}

__device__ inline long long largest_in_row(const Item *row, long long along, long long columns, Item *values,
                                           long long *at, bool is_row) {
    int lanes = blockDim.x, lane = threadIdx.x, place = threadIdx.y * lanes + lane;
    Item best = 0;
    long long where = columns;
    if (is_row)
        for (long long j = lane; j < columns; j += lanes) {
            Item v = row[j * along];
            if (is_better(v, j, best, where, columns)) {
                best = v;
                where = j;
            }
        }
    values[place] = best;
    at[place] = where;
    for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half && is_better(values[place + half], at[place + half], values[place], at[place], columns)) {
            values[place] = values[place + half];
            at[place] = at[place + half];
        }
    }
    __syncthreads();
    where = at[place - lane];
    __syncthreads();
    return where;
}

// parts[block] := how many of the block's rows have the largest of a and of y in one place
extern "C" __global__ void correct_parts(const Item *a, long long a_down, long long a_along, const Item *y,
                                         long long y_down, long long y_along, long long rows, long long columns,
                                         long long *parts) {
    __shared__ Item values[THREADS];
    __shared__ long long at[THREADS];
    int place = threadIdx.y * blockDim.x + threadIdx.x;
    long long correct = 0;
    for (long long start = (long long)blockIdx.x * blockDim.y; start < rows;
         start += (long long)gridDim.x * blockDim.y) {
        long long i = start + threadIdx.y;
        long long in_a = largest_in_row(a + i * a_down, a_along, columns, values, at, i < rows);
        long long in_y = largest_in_row(y + i * y_down, y_along, columns, values, at, i < rows);
        correct += i < rows && in_a == in_y && threadIdx.x == 0;
    }
    at[place] = correct;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (place < half) at[place] += at[place + half];
    }
    if (place == 0) parts[blockIdx.x] = at[0];
}
