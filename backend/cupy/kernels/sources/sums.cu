// Sums that a training step needs. Each has an order that depends on the shape alone: a thread adds every k-th value, the
// threads of a block are added in pairs through shared memory, and the sums of blocks that share columns are added in
// turn by the last of these blocks to arrive. No two blocks write to one place.

// The sum of one column's threads, for threadIdx.y == 0; `sums` is shared by the block.
__device__ inline Pack in_pairs(Pack total, Pack *sums) {
    int place = threadIdx.y * SUMMED_COLUMNS + threadIdx.x;
    sums[place] = total;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half)
            for (int k = 0; k < VALUES; k++) sums[place].at[k] += sums[place + half * SUMMED_COLUMNS].at[k];
    }
    Pack all = sums[threadIdx.x];
    __syncthreads(); // before sums is used again
    return all;
}

// out := the sum of d's rows, or keep * out + factor * it where `onto`. Blocks of one blockIdx.x share columns, each with
// `share` of the rows; `parts` is memory for the shares' sums, and `arrived` counts the blocks that have written theirs: 0
// before and after. Whole Packs only.
//
// In a watched step that refuses the layer, d becomes 0, and with it the layer's products; `out` becomes 0, or stays
// where the sum is added onto it. `of_step`: the factor is less the step's rate.
extern "C" __global__ void sum_rows(Item *d, long long leading, Item *out, long long rows, long long columns,
                                    long long share, long long onto, double factor, double keep, Item *parts,
                                    unsigned *arrived, Step *step, long long layer, long long of_step) {
    __shared__ Pack sums[SUMMED_ROWS * SUMMED_COLUMNS];
    __shared__ bool is_last;
    long long j = ((long long)blockIdx.x * SUMMED_COLUMNS + threadIdx.x) * VALUES;
    bool inside = j < columns;
    unsigned first = blockIdx.y * (unsigned)share;
    unsigned stop = first + share < rows ? (unsigned)(first + share) : (unsigned)rows;
    Pack total = {};
    bool none = refuses(step, layer);
    if (step && blockIdx.x == 0 && blockIdx.y == 0 && threadIdx.x == 0 && threadIdx.y == 0)
        step->keep = none ? (Item)1 : (Item)keep;
    if (inside && none) {
        Item *value = d + (first + threadIdx.y) * leading + j;
#pragma unroll 1
        for (unsigned i = first + threadIdx.y; i < stop; i += blockDim.y) {
            *(Pack *)value = Pack{};
            value += blockDim.y * leading;
        }
    } else if (inside) {
        const Item *value = d + (first + threadIdx.y) * leading + j;
        for (unsigned i = first + threadIdx.y; i < stop; i += blockDim.y) {
            Pack row = *(const Pack *)value;
            for (int k = 0; k < VALUES; k++) total.at[k] += row.at[k];
            value += blockDim.y * leading;
        }
    }
    total = in_pairs(total, sums);
    if (gridDim.y > 1) {
        if (threadIdx.y == 0 && inside) *(Pack *)(parts + blockIdx.y * columns + j) = total;
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0 && threadIdx.y == 0) is_last = atomicAdd(arrived + blockIdx.x, 1u) == gridDim.y - 1;
        __syncthreads();
        if (!is_last) return;
        __threadfence();
        total = {};
        if (inside)
            for (unsigned i = threadIdx.y; i < gridDim.y; i += blockDim.y)
                for (int k = 0; k < VALUES; k++) total.at[k] += ((volatile Item *)parts)[i * columns + j + k];
        total = in_pairs(total, sums);
        if (threadIdx.x == 0 && threadIdx.y == 0) arrived[blockIdx.x] = 0;
    }
    if (threadIdx.y == 0 && inside) {
        Item times = of_step ? step->minus_rate : (Item)factor;
        if (onto)
            for (int k = 0; k < VALUES; k++) total.at[k] = FMA(times, total.at[k], (Item)keep * out[j + k]);
        if (!(onto && none)) *(Pack *)(out + j) = total;
    }
}

// How many values are NaN or infinite: either one less itself is NaN. Where one block looks at all of them, *count is set
// to it; else each block adds what it found to *count, which is 0 before. Whole numbers have one sum in any order.
extern "C" __global__ void count_not_finite(const Item *v, long long leading, long long rows, long long columns,
                                            unsigned long long *count) {
    __shared__ unsigned part[THREADS];
    int place = threadIdx.y * blockDim.x + threadIdx.x;
    unsigned found = 0;
    for (unsigned i = blockIdx.y * blockDim.y + threadIdx.y; i < rows; i += gridDim.y * blockDim.y)
        for (long long j = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * VALUES; j < columns;
             j += (long long)gridDim.x * blockDim.x * VALUES) {
            Pack pack = *(const Pack *)(v + i * leading + j);
            for (int k = 0; k < VALUES; k++) found += !(pack.at[k] - pack.at[k] == 0);
        }
    part[place] = found;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (place < half) part[place] += part[place + half];
    }
    if (place != 0) return;
    if (gridDim.x == 1 && gridDim.y == 1) *count = part[0];
    else if (part[0] != 0) atomicAdd(count, (unsigned long long)part[0]);
}
