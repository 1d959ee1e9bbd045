"""The CuPy backend's kernels that add up or compare: softmax along rows, sums of rows, the cost, the count.

Each sum has an order of its own that depends on the shape alone: a thread adds every k-th value, and the threads of a
block are added in pairs, through shared memory. No two blocks write to one place, and nothing is atomic. So results
are the same bits from run to run, which plain and checkpointed training rely on to agree.

What goes to the host, the cost and the count, is one number a block, added up there: the only kernels that hold a
temporary, of `MOST_PARTS` values at most.
"""

from collections.abc import Callable
from typing import Any

from backend.cupy.kernels.layout import item_of, row_major, same_shape, side_by_side, vector
from backend.cupy.kernels.source import THREADS, block_of, function, power_of_two
from backend.errors import BackendError

COSTS = {"quadratic": 0, "cross-entropy": 1}

MOST_PARTS = 256
"""Blocks, at most, that a cost or a count is summed in: 2 KiB of partial sums."""

SUMMED_COLUMNS = 8
"""Columns that a block of `sum_rows` takes: 32 bytes of float32, the least that a GPU reads at once. Few columns a
block make many blocks, which is what keeps a GPU busy on a narrow matrix."""

SUMMED_ROWS = 64
"""Threads that share a column in `sum_rows`, at most; fewer where there are fewer rows."""

SIZES = {"THREADS": THREADS, "SUMMED_COLUMNS": SUMMED_COLUMNS, "SUMMED_ROWS": SUMMED_ROWS}

SOURCE = "".join(f"#define {name} {size}\n" for name, size in SIZES.items())
SOURCE += r"""
// A row belongs to the blockDim.x threads of one threadIdx.y. All threads of a block come to every __syncthreads, those
// beyond the last row too.

extern "C" __global__ void add_bias_softmax(
        Item* z, long long leading, const Item* b, long long rows, long long columns) {
    __shared__ Item part[THREADS];
    int lanes = blockDim.x, lane = threadIdx.x, place = threadIdx.y * lanes + lane;
    long long i = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    Item* row = z + i * leading;
    Item largest = LOWEST;
    if (i < rows)
        for (long long j = lane; j < columns; j += lanes) {
            Item x = row[j] + b[j];
            row[j] = x;
            largest = x > largest ? x : largest;            // NaN is no larger, and comes back in the sum
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
    if (i < rows)
        for (long long j = lane; j < columns; j += lanes) row[j] /= total;
}

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

// parts[block] := the cost of the block's rows, in double
extern "C" __global__ void cost_parts(
        const Item* a, long long a_down, long long a_along, const Item* y, long long y_down, long long y_along,
        long long rows, long long columns, long long cost, double smallest, double* parts) {
    __shared__ double part[THREADS];
    int lanes = blockDim.x, place = threadIdx.y * lanes + threadIdx.x;
    double total = 0;
    for (long long i = (long long)blockIdx.x * blockDim.y + threadIdx.y; i < rows;
         i += (long long)gridDim.x * blockDim.y)
        for (long long j = threadIdx.x; j < columns; j += lanes) {
            double x = a[i * a_down + j * a_along], wanted = y[i * y_down + j * y_along];
            if (cost == 0) total += (x - wanted) * (x - wanted) / 2;
            else if (wanted != 0) total -= wanted * log(x < smallest ? smallest : x);
        }
    part[place] = total;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (place < half) part[place] += part[place + half];
    }
    if (place == 0) parts[blockIdx.x] = part[0];
}

// Whether v in column j comes before u in column i as the largest of a row: the larger, or the first of equals. As in a
// loop from the left, a NaN is largest in column 0 and nowhere else. A column past the end holds nothing.
__device__ inline bool is_better(Item v, long long j, Item u, long long i, long long columns) {
    if (j >= columns) return false;
    if (v != v) return j == 0;
    if (i >= columns) return true;
    if (u != u) return false;
    return v > u || (v == u && j < i);
}

__device__ inline long long largest_in_row(
        const Item* row, long long along, long long columns, Item* values, long long* at, bool is_row) {
    int lanes = blockDim.x, lane = threadIdx.x, place = threadIdx.y * lanes + lane;
    Item best = 0;
    long long where = columns;
    if (is_row)
        for (long long j = lane; j < columns; j += lanes) {
            Item v = row[j * along];
            if (is_better(v, j, best, where, columns)) { best = v; where = j; }
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
extern "C" __global__ void correct_parts(
        const Item* a, long long a_down, long long a_along, const Item* y, long long y_down, long long y_along,
        long long rows, long long columns, long long* parts) {
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
"""


def add_bias_softmax(z: Any, b: Any) -> None:
    """z := softmax(z + b), along each row."""
    rows, columns, leading = row_major(z)
    vector(b, columns)
    if z.size == 0:
        return
    block = block_of(columns)
    function(SOURCE, item_of(z, b), "add_bias_softmax")((-(-rows // block[1]),), block, (z, leading, b, rows, columns))


def sum_rows(d: Any, *, out: Any, onto: bool = False) -> None:
    """out := the sum of d's rows; or with `onto`, out += it."""
    rows, columns, leading = row_major(d)
    vector(out, columns)
    if columns == 0:
        return
    shares = min(SUMMED_ROWS, power_of_two(rows))
    grid = (-(-columns // SUMMED_COLUMNS),)
    arguments = (d, leading, out, rows, columns, int(onto))
    function(SOURCE, item_of(d, out), "sum_rows")(grid, (SUMMED_COLUMNS, shares), arguments)


def count_not_finite(v: Any, count: Any) -> int:
    """How many values of a vector without gaps, or of a row-major matrix, are NaN or infinite; by way of `count`."""
    if v.ndim == 1:
        vector(v, v.size)
    rows, columns, (leading,) = side_by_side(v)
    function(SOURCE, item_of(v), "count_not_finite")((1,), (THREADS,), (v, leading, rows, columns, count))
    return int(count.get()[0])


def cost_sum(a: Any, y: Any, cost: str, smallest: float, empty: Callable[[tuple[int, ...], str], Any]) -> float:
    """The cost summed over the rows, in double; `empty` makes the partial sums' array."""
    if cost not in COSTS:
        raise ValueError(f"unknown cost {cost!r}")
    parts = empty((_blocks(a),), "float64")
    _launch_parts("cost_parts", a, y, (COSTS[cost], smallest), parts)
    return float(parts.get().sum())


def count_correct(a: Any, y: Any, empty: Callable[[tuple[int, ...], str], Any]) -> int:
    """The rows in which a and y have their (first) largest value in the same place."""
    parts = empty((_blocks(a),), "int64")
    _launch_parts("correct_parts", a, y, (), parts)
    return int(parts.get().sum())


def _blocks(a: Any) -> int:
    if a.ndim != 2 or a.size == 0:
        raise BackendError(f"an output is (rows, features), with at least one of each; got shape {a.shape}")
    rows, columns = a.shape
    blocks: int = -(-rows // block_of(columns)[1])
    return min(blocks, MOST_PARTS)


def _launch_parts(name: str, a: Any, y: Any, numbers: tuple[Any, ...], parts: Any) -> None:
    same_shape(a, y)
    rows, columns = a.shape
    strides = [stride // x.itemsize for x in (a, y) for stride in x.strides]
    arguments = (a, *strides[:2], y, *strides[2:], rows, columns, *numbers, parts)
    function(SOURCE, item_of(a, y), name)((parts.size,), block_of(columns), arguments)
