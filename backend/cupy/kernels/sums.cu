// Sums that a training step needs. A thread adds every k-th value, and the threads of a block are added in pairs through
// shared memory: an order that depends on the shape alone. No two blocks write to one place, and nothing is atomic.

// out := the sum of d's rows, or out += it where `onto`
extern "C" __global__ void sum_rows(
        const Item* d, long long leading, Item* out, long long rows, long long columns, long long onto) {
    __shared__ Item part[SUMMED_ROWS * SUMMED_COLUMNS];
    int shares = blockDim.y, place = threadIdx.y * SUMMED_COLUMNS + threadIdx.x;
    long long j = (long long)blockIdx.x * SUMMED_COLUMNS + threadIdx.x;
    Item total = 0;
    if (j < columns)
        for (long long i = threadIdx.y; i < rows; i += shares) total += d[i * leading + j];
    part[place] = total;
    for (int half = shares / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) part[place] += part[place + half * SUMMED_COLUMNS];
    }
    if (threadIdx.y == 0 && j < columns) out[j] = onto ? out[j] + part[place] : part[place];
}

// *count := how many values are NaN or infinite: either one less itself is NaN. One block of THREADS threads.
extern "C" __global__ void count_not_finite(
        const Item* v, long long leading, long long rows, long long columns, long long* count) {
    __shared__ long long part[THREADS];
    int place = threadIdx.x;
    long long found = 0;
    for (long long i = 0; i < rows; i++)
        for (long long j = place; j < columns; j += THREADS) {
            Item x = v[i * leading + j];
            found += !(x - x == 0);
        }
    part[place] = found;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (place < half) part[place] += part[place + half];
    }
    if (place == 0) *count = part[0];
}
