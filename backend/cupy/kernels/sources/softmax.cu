// Softmax along each row, in place.
//
// A row belongs to the blockDim.x threads of one threadIdx.y. All threads of a block reach every __syncthreads, those
// beyond the last row too. Each sum has an order that depends on the shape alone.

// z := softmax(z + b)
extern "C" __global__ void add_bias_softmax(Item *z, long long leading, const Item *b, long long rows,
                                            long long columns, Step *step, long long code) {
    __shared__ Item part[THREADS];
    int lanes = blockDim.x, lane = threadIdx.x, place = threadIdx.y * lanes + lane;
    long long i = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    Item *row = z + i * leading;
    Item largest = LOWEST;
    if (i < rows)
        for (long long j = lane; j < columns; j += lanes) {
            Item x = row[j] + b[j];
            row[j] = x;
            largest = x > largest ? x : largest; // NaN is no larger; it returns in the sum
        }
    part[place] = largest;
    for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half && part[place + half] > part[place]) part[place] = part[place + half];
    }
    __syncthreads();
    largest = part[place - lane];
    __syncthreads();
    Item total = 0;
    if (i < rows)
        for (long long j = lane; j < columns; j += lanes) {
            Item e = EXP(row[j] - largest);
            row[j] = e;
            total += e;
        }
    part[place] = total;
    for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) part[place] += part[place + half];
    }
    __syncthreads();
    total = part[place - lane];
    bool bad = false;
    Range range = range_in(step);
    if (i < rows)
        for (long long j = lane; j < columns; j += lanes) {
            row[j] /= total;
            bad |= zeroed(row[j], range);
        }
    if (bad && step) note_bad(step, code);
}
