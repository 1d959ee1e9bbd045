// Dropout, in place: which outputs are set to 0 follows from where they are, and from the step; see backend/dropping.py.

// The word of a unit: Philox4x32-10.
__device__ inline unsigned word_of(unsigned unit, unsigned row, unsigned layer, unsigned step, unsigned low,
                                   unsigned high) {
    unsigned c0 = unit / 4, c1 = row, c2 = layer, c3 = step;
    for (int round = 0; round < 10; round++) {
        unsigned long long p = 0xD2511F53ull * c0, q = 0xCD9E8D57ull * c2;
        c0 = (unsigned)(q >> 32) ^ c1 ^ low;
        c2 = (unsigned)(p >> 32) ^ c3 ^ high;
        c1 = (unsigned)q;
        c3 = (unsigned)p;
        low += 0x9E3779B9u;
        high += 0xBB67AE85u;
    }
    unsigned which = unit % 4;
    return which == 0 ? c0 : which == 1 ? c1 : which == 2 ? c2 : c3;
}

// a := 0 where dropped, times a factor elsewhere. In a watched step the number of the step is its own, and a value that
// the factor makes infinite is noted by `code`.
extern "C" __global__ void drop(Item *a, long long leading, long long rows, long long columns, long long first_row,
                                long long first_unit, long long layer, long long step, long long low, long long high,
                                long long below, double factor, Step *watched, long long code) {
    long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= columns) return;
    if (watched) step = watched->number;
    Range range = range_in(watched);
    bool bad = false;
    for (unsigned i = blockIdx.y * blockDim.y + threadIdx.y; i < rows; i += gridDim.y * blockDim.y) {
        unsigned word = word_of((unsigned)(first_unit + j), (unsigned)(first_row + i), (unsigned)layer, (unsigned)step,
                                (unsigned)low, (unsigned)high);
        Item *x = a + i * leading + j;
        *x = word < (unsigned)below ? (Item)0 : (Item)factor * *x;
        bad |= zeroed(*x, range);
    }
    if (bad && watched) note_bad(watched, code);
}
