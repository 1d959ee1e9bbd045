// What elementwise kernels have in common; it is put before their sources.
//
// A thread takes the VALUES of one Pack, which lie side by side, and goes down the rows where there are more of them
// than a grid can have. Arrays are row-major with leading dimensions, in values. Each value is computed from its own
// place alone, so results depend neither on the shape of the grid nor on the size of a Pack. NaN stays NaN, through
// ReLU too.

#define COLUMN (((long long)blockIdx.x * blockDim.x + threadIdx.x) * VALUES)
#define ROW (blockIdx.y * blockDim.y + threadIdx.y)
#define ROWS_APART (gridDim.y * blockDim.y)

// Runs its body with `i` for each row of this thread.
#define FOR_ROWS for (unsigned i = ROW; i < rows; i += ROWS_APART)

// Runs its body with `k` for each of the thread's values: all of a Pack, or those that a row has left.
#define EACH for (int k = 0; k < VALUES; k++)

// The thread's values at p: one access, or one for each where the row ends within the Pack.
__device__ inline Pack take(const Item *p, int left) {
    if (left >= VALUES) return *(const Pack *)p;
    Pack pack = {};
    EACH if (k < left) pack.at[k] = p[k];
    return pack;
}

__device__ inline void put(Item *p, Pack pack, int left) {
    if (left >= VALUES) *(Pack *)p = pack;
    else EACH if (k < left) p[k] = pack.at[k];
}

__device__ inline int left_of(long long column, long long columns) {
    return columns - column < VALUES ? (int)(columns - column) : VALUES;
}

// Whether a value of the Pack is out of range; each of these is replaced.
__device__ inline bool zeroed(Pack &pack, const Range &range) {
    bool any = false;
    EACH any |= zeroed(pack.at[k], range);
    return any;
}
