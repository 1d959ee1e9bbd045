"""A layer's steps as jobs of a team of threads: forward, backward, and the update; compiled by Numba.

A job is a record of whole numbers that all threads read: what to do, the addresses of arrays, their sizes. Each thread
does its part of it (`backend.numpy.kernels.products`), and where a part needs what others make, all wait for each other.

Types are listed, so nothing is compiled during a step: once after an installation, when this file is first imported.
Nothing here checks its arguments: the backend does.
"""

import functools
from typing import Any

import numpy as np
from numba import cfunc, njit, types

from backend.facts import CHUNK_ROWS
from backend.numpy.kernels.compiled import for_both_dtypes
from backend.numpy.kernels.packing import item_bytes_of, scratch_bytes
from backend.numpy.kernels.products import FEW_ROWS, error_below, forward, weight_gradient
from backend.numpy.kernels.row_steps import all_finite, apply_gradient, apply_momentum, bias_gradient
from backend.numpy.kernels.shared_words import call
from backend.numpy.kernels.team import (
    FIRST_FIELD,
    PARTS,
    RUN,
    RUN_32,
    RUN_64,
    SCRATCH,
    SCRATCH_EACH,
    Team,
    arrive,
    choose,
    finish,
    leave,
    next_part,
    start,
)
from backend.numpy.kernels.vector_code import pointer

ACTIVATIONS = {"identity": 0, "sigmoid": 1, "tanh": 2, "relu": 3, "softmax": 4}

NO_ERROR_BELOW = -1
"""In place of an activation: the layer is the first, and its input stays as it is."""

FORWARD, BACKWARD, UPDATE, MOMENTUM = 0, 1, 2, 3

NOTHING = np.int64(0)
"""An address that is none, and a field that a job doesn't have."""

NUMBERS = FIRST_FIELD + 12
"""Where a job's rate and momentum are."""

SOON = FIRST_FIELD + 14
"""Where the addresses and bytes are of what is needed next: two of each."""

WORTH_A_THREAD = 2**18
"""Multiply-adds, at least, for each thread of a job: some microseconds, several times what it takes to begin one."""

NOT_READY = -1
"""What a job gives that was not done for lack of scratch memory or of a compiled runner: see `make_ready`."""


@njit(nogil=True, cache=True)
def _run(item, words, part):  # type: ignore[no-untyped-def]
    """Do one part of the job that `words` describe, for arrays of values like `item`."""
    f = pointer(np.int64(0), words)
    n_parts, scratch = f[PARTS], f[SCRATCH] + part * f[SCRATCH_EACH]
    kind = f[FIRST_FIELD]
    a, a_leading, W, b, out, rows, n_in, n_out, activation = (
        f[FIRST_FIELD + 1], f[FIRST_FIELD + 2], f[FIRST_FIELD + 3], f[FIRST_FIELD + 4], f[FIRST_FIELD + 5],
        f[FIRST_FIELD + 6], f[FIRST_FIELD + 7], f[FIRST_FIELD + 8], f[FIRST_FIELD + 9],
    )  # fmt: skip
    soon, soon_bytes = f[SOON], f[SOON + 1]
    if kind == FORWARD:
        forward(item, a, a_leading, W, b, out, rows, n_in, n_out, activation, soon, soon_bytes, part, n_parts, scratch)
    elif kind == BACKWARD:
        delta, weight, onto = out, f[FIRST_FIELD + 10], f[FIRST_FIELD + 11] != 0
        if b != 0:
            bias_gradient(item, delta, b, rows, n_out, onto, part, n_parts)
        weight_gradient(
            item, a, a_leading, delta, weight, rows, n_in, n_out, onto, soon, soon_bytes, part, n_parts, scratch
        )
        if activation != NO_ERROR_BELOW:
            arrive(words, part, 1)  # the others still read what is overwritten now
            soon, soon_bytes = f[SOON + 2], f[SOON + 3]
            error_below(
                item, a, a_leading, delta, W, rows, n_in, n_out, activation, soon, soon_bytes, part, n_parts, scratch
            )
    else:
        numbers = pointer(0.0, words)
        rate, momentum = numbers[NUMBERS], numbers[NUMBERS + 1]
        if kind == UPDATE:
            apply_gradient(item, W, out, rows, rate, part, n_parts)
        else:
            apply_momentum(item, W, b, out, rows, rate, momentum, part, n_parts)


def _run_32(words, part):  # type: ignore[no-untyped-def]
    _run(np.float32(0), words, part)


def _run_64(words, part):  # type: ignore[no-untyped-def]
    _run(0.0, words, part)


@functools.cache
def runner(dtype: str) -> Any:
    """What does a part of a job of "float32" or "float64" arrays; its `address` goes to the jobs.

    It has all of the loops in it, and is compiled once, when it is first asked for: the jobs themselves are small.
    """
    return cfunc("void(int64, int64)", cache=True)(_run_32 if dtype == "float32" else _run_64)


@njit("void(int64, int64)", nogil=True, cache=True)
def serve(words, worker):  # type: ignore[no-untyped-def]
    """Do a worker's part of each job, until there is none for a while."""
    while True:
        part = next_part(words, worker)
        if part == 0:
            return
        call(pointer(np.int64(0), words)[RUN], words, part)
        leave(words, worker, part)


@njit(nogil=True, cache=True)
def address(array):  # type: ignore[no-untyped-def]
    """Where an array's first value is. Signed, as sums with sizes are made of it."""
    return np.int64(array.ctypes.data)


@njit(nogil=True, cache=True)
def _do(item, words, wanted, kind, work, fields, rate, momentum):  # type: ignore[no-untyped-def]
    """Begin a job on up to `wanted` threads, do one part, wait for the others; gives how many there were.

    A job with too little `work` for more gives `wanted` all the same.
    """
    wanted_here = max(1, min(wanted, work // WORTH_A_THREAD))
    parts = choose(words, wanted_here)
    f, numbers = pointer(np.int64(0), words), pointer(0.0, words)
    run = f[RUN_32 if item_bytes_of(item) == 4 else RUN_64]
    f[RUN] = run
    f[FIRST_FIELD] = kind
    for place in range(len(fields)):
        f[FIRST_FIELD + 1 + place] = fields[place]
    numbers[NUMBERS] = rate
    numbers[NUMBERS + 1] = momentum
    start(words, parts)
    call(run, words, 0)
    finish(words)
    return wanted if parts == wanted_here else parts


@for_both_dtypes("item", "integer", "integer", returns=types.int64)
def _scratch_needed(item, n_in, n_out):  # type: ignore[no-untyped-def]
    return scratch_bytes(item, max(n_in, n_out, CHUNK_ROWS), max(n_in, n_out))


def make_ready(team: Team, dtype: str, n_in: int, n_out: int) -> None:
    """Have the runner and the scratch memory that jobs of layers n_in x n_out of `dtype` take."""
    team.reserve(_scratch_needed(np.dtype(dtype).type(0), n_in, n_out))
    team.set_runner(dtype, runner(dtype).address)


@njit(nogil=True, cache=True)
def _is_ready(item, words, n_in, n_out):  # type: ignore[no-untyped-def]
    f = pointer(np.int64(0), words)
    there = f[RUN_32 if item_bytes_of(item) == 4 else RUN_64] != 0
    return there and scratch_bytes(item, max(n_in, n_out, CHUNK_ROWS), max(n_in, n_out)) <= f[SCRATCH_EACH]


@njit(nogil=True, cache=True)
def _set_soon(words, place, array, rows):  # type: ignore[no-untyped-def]
    """Have an array fetched meanwhile that is needed next; not where there are many rows to hide its fetching."""
    f = pointer(np.int64(0), words)
    f[SOON + place] = address(array)
    f[SOON + place + 1] = 0 if rows > FEW_ROWS else array.shape[0] * array.strides[0]


@for_both_dtypes(
    "integer",
    "integer",
    "any matrix",
    "any matrix",
    "any vector",
    "matrix",
    "integer",
    "any matrix",
    returns=types.int64,
)
def forward_layer(words, threads, a, W, b, out, activation, soon):  # type: ignore[no-untyped-def]
    """out := activation(a W + b), and meanwhile fetch `soon`; gives the number of threads, or NOT_READY."""
    item = out.dtype.type(0)
    rows, n_out = out.shape
    n_in = W.shape[0]
    if not _is_ready(item, words, n_in, n_out):
        return NOT_READY
    fields = (
        address(a), a.strides[0] // a.itemsize, address(W), address(b), address(out), rows, n_in, n_out,
        activation, NOTHING, NOTHING,
    )  # fmt: skip
    _set_soon(words, 0, soon, rows)
    return _do(item, words, threads, FORWARD, rows * n_in * n_out, fields, 0.0, 0.0)


@for_both_dtypes(
    "integer",
    "integer",
    "any matrix",
    "integer",
    "any matrix",
    "any matrix",
    "matrix",
    "vector",
    "integer",
    "integer",
    "any matrix",
    "any matrix",
    returns=types.int64,
)
def backward_layer(  # type: ignore[no-untyped-def]
    words, threads, a, first, delta, W, weight, bias, activation, onto, soon, soon_too
):
    """weight := or += the gradient of W's rows from `first` on, and those columns of `a` become the error below.

    `bias` becomes the sum of delta's rows, unless it is empty. `onto` adds to both. Meanwhile `soon` and `soon_too`
    are fetched. Gives the number of threads, or NOT_READY.
    """
    item = weight.dtype.type(0)
    rows, n_out = delta.shape
    n_in = weight.shape[0]
    if not _is_ready(item, words, n_in, n_out):
        return NOT_READY
    fields = (
        address(a) + first * a.itemsize, a.strides[0] // a.itemsize, address(W) + first * n_out * a.itemsize,
        address(bias) if bias.size else NOTHING, address(delta), rows, n_in, n_out, activation,
        address(weight), onto,
    )  # fmt: skip
    _set_soon(words, 0, soon, rows)
    _set_soon(words, 2, soon_too, rows)
    return _do(item, words, threads, BACKWARD, rows * n_in * n_out, fields, 0.0, 0.0)


@njit(nogil=True, cache=True)
def _update_fields(w, v, g):  # type: ignore[no-untyped-def]
    zero = NOTHING
    return zero, zero, address(w), v, address(g), np.int64(w.size), zero, zero, zero, zero, zero


@for_both_dtypes("integer", "integer", "vector", "vector", "number", returns=types.int64)
def update(words, threads, w, g, rate):  # type: ignore[no-untyped-def]
    """w -= rate * g; both flat. Gives the number of threads."""
    if not _is_ready(w.dtype.type(0), words, 1, 1):
        return NOT_READY
    fields = _update_fields(w, NOTHING, g)
    return _do(w.dtype.type(0), words, threads, UPDATE, 8 * w.size, fields, rate, 0.0)


@for_both_dtypes("integer", "integer", "vector", "vector", "vector", "number", "number", returns=types.int64)
def update_with_momentum(words, threads, w, v, g, rate, momentum):  # type: ignore[no-untyped-def]
    """v := momentum * v - rate * g, then w += v; all flat. Gives the number of threads."""
    if not _is_ready(w.dtype.type(0), words, 1, 1):
        return NOT_READY
    fields = _update_fields(w, address(v), g)
    return _do(w.dtype.type(0), words, threads, MOMENTUM, 12 * w.size, fields, rate, momentum)


@for_both_dtypes("any vector", returns=types.boolean)
def is_finite(v):  # type: ignore[no-untyped-def]
    """Whether no value of `v`, without gaps, is NaN or infinite."""
    return all_finite(v.dtype.type(0), address(v), v.size)
