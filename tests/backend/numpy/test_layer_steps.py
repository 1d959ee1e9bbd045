"""The steps of a layer as NumPy's team of threads does them: exact where they can be, and the same bits however cut."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import Backend, select_backend
from backend.facts import CHUNK_ROWS
from mlp.arguments import DTYPES
from tests.backend.numpy.digest import digest

ROOT = Path(__file__).parents[3]

SHAPES = [(1, 1, 1), (7, 30, 10), (8, 32, 32), (33, 17, 5), (100, 784, 100), (128, 64, 48), (300, 70, 45)]
LARGE = [(130, 5, 700), (700, 300, 130), (257, 130, 300), (3, 5000, 40), (40, 3, 5000)]
shapes = pytest.mark.parametrize("shape", SHAPES + LARGE, ids=str)


def whole_numbers(*shape: int, dtype: str, seed: int = 0) -> np.ndarray:
    """Small whole numbers: sums of a thousand products of two of them are exact in float32, in any order."""
    return np.random.default_rng(seed).integers(-8, 9, size=shape).astype(dtype)


def layer(shape: tuple[int, int, int], dtype: str, *, whole: bool = True) -> dict[str, Any]:
    rows, n_in, n_out = shape
    arrays = {"a": (rows, n_in), "W": (n_in, n_out), "b": (n_out,), "delta": (rows, n_out)}
    if whole:
        return {name: whole_numbers(*size, dtype=dtype, seed=k) for k, (name, size) in enumerate(arrays.items())}
    random = np.random.default_rng(1)
    return {name: random.normal(size=size).astype(dtype) for name, size in arrays.items()}


def forward(backend: Backend, a: Any, W: Any, b: Any, activation: str = "sigmoid") -> np.ndarray:
    out = backend.empty((a.shape[0], W.shape[1]), backend.dtype_name(a))
    backend.forward_layer_(a, W, b, activation, out=out)
    return np.asarray(backend.to_numpy(out))


def backward(backend: Backend, a: Any, W: Any, delta: Any, activation: str | None = "identity") -> list[np.ndarray]:
    """The gradients, and what `a` has become."""
    dtype = backend.dtype_name(a)
    weight, bias = backend.empty(W.shape, dtype), backend.empty((W.shape[1],), dtype)
    backend.backward_layer_(a, delta, W, activation, first=0, weight=weight, bias=bias)
    return [np.array(backend.to_numpy(x)) for x in (weight, bias, a)]


@shapes
def test_forward_is_exact_in_whole_numbers(shape, backend, dtype):
    of = layer(shape, dtype)
    out = forward(backend, *(backend.asarray(of[name]) for name in ("a", "W", "b")), "identity")
    assert np.array_equal(out, of["a"].astype("float64") @ of["W"] + of["b"])


@shapes
def test_backward_is_exact_in_whole_numbers(shape, backend, dtype):
    of = layer(shape, dtype)
    a, delta, W = (of[name].astype("float64") for name in ("a", "delta", "W"))
    weight, bias, below = backward(backend, *(backend.asarray(of[name]) for name in ("a", "W", "delta")))
    assert np.array_equal(weight, a.T @ delta)
    assert np.array_equal(bias, delta.sum(axis=0))
    assert np.array_equal(below, delta @ W.T)


@shapes
def test_first_layer_s_input_stays_as_it_is(shape, backend, dtype):
    of = layer(shape, dtype)
    *_, a = backward(backend, *(backend.asarray(of[name]) for name in ("a", "W", "delta")), None)
    assert np.array_equal(a, of["a"])


@shapes
def test_gradient_of_some_inputs_is_added_onto_what_is_there(shape, backend, dtype):
    _, n_in, n_out = shape
    of = layer(shape, dtype)
    wide = {name: x.astype("float64") for name, x in of.items()}
    first, stop = n_in // 3, n_in // 3 + -(-n_in // 2)
    total = whole_numbers(stop - first, n_out, dtype=dtype, seed=9)
    weight, bias = backend.asarray(total.copy()), backend.asarray(np.ones(n_out, dtype))
    a, delta, W = (backend.asarray(of[name]) for name in ("a", "delta", "W"))
    backend.backward_layer_(a, delta, W, "identity", first=first, weight=weight, bias=bias, onto=True)
    assert np.array_equal(backend.to_numpy(weight), total + wide["a"][:, first:stop].T @ wide["delta"])
    assert np.array_equal(backend.to_numpy(bias), 1 + wide["delta"].sum(axis=0))
    below = wide["a"].copy()
    below[:, first:stop] = wide["delta"] @ wide["W"][first:stop].T
    assert np.array_equal(backend.to_numpy(a), below)


@shapes
def test_a_multiple_of_the_gradient_is_added_onto_a_multiple_of_what_is_there(shape, backend, dtype):
    _, n_in, n_out = shape
    of = layer(shape, dtype)
    wide = {name: x.astype("float64") for name, x in of.items()}
    total = whole_numbers(n_in, n_out, dtype=dtype, seed=9)
    weight, bias = backend.asarray(total.copy()), backend.asarray(np.ones(n_out, dtype))
    a, delta, W = (backend.asarray(of[name]) for name in ("a", "delta", "W"))
    how = {"onto": True, "factor": -0.5, "keep": 0.25}
    backend.backward_layer_(a, delta, W, "identity", first=0, weight=weight, bias=bias, **how)
    assert np.array_equal(backend.to_numpy(weight), total / 4 - wide["a"].T @ wide["delta"] / 2)
    assert np.array_equal(backend.to_numpy(bias), 0.25 - wide["delta"].sum(axis=0) / 2)
    assert np.array_equal(backend.to_numpy(a), wide["delta"] @ wide["W"].T)


@shapes
@pytest.mark.parametrize("activation", ["identity", None])
def test_weights_of_some_inputs_change_after_their_error_is_made(activation, shape, backend, dtype):
    rows, n_in, _ = shape
    of = layer(shape, dtype)
    wide = {name: x.astype("float64") for name, x in of.items()}
    first, stop = n_in // 3, n_in // 3 + -(-n_in // 2)
    a, delta, W, b = (backend.asarray(of[name].copy()) for name in ("a", "delta", "W", "b"))
    piece = None if activation is None else backend.empty((rows * (stop - first) + 1,), dtype)
    cut = {"first": first, "width": stop - first}
    backend.backward_onto_weights_(a, delta, W, b, activation, **cut, rate=0.5, piece=piece)
    weights, below = wide["W"].copy(), wide["a"].copy()
    weights[first:stop] -= wide["a"][:, first:stop].T @ wide["delta"] / 2
    if activation is not None:
        below[:, first:stop] = wide["delta"] @ wide["W"][first:stop].T
    assert np.array_equal(backend.to_numpy(W), weights)
    assert np.array_equal(backend.to_numpy(b), wide["b"] - wide["delta"].sum(axis=0) / 2)
    assert np.array_equal(backend.to_numpy(a), below)


def test_rows_with_gaps_between_them_are_taken_where_they_are():
    numpy, of = select_backend("numpy"), layer((50, 40, 30), "float32")
    wide = np.full((50, 64), np.float32(np.nan))
    wide[:, :40] = of["a"]
    assert np.array_equal(forward(numpy, wide[:, :40], of["W"], of["b"]), forward(numpy, of["a"], of["W"], of["b"]))
    apart = backward(numpy, wide[:, :40], of["W"], of["delta"], None)
    assert all(map(np.array_equal, apart, backward(numpy, of["a"], of["W"], of["delta"], None)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_are_parts_of_one_array_each_from_a_line_on(dtype):
    shapes = [(3, 5), (1, 1), (40, 7)]
    arrays = select_backend("numpy").empties(shapes, dtype)
    for k, (a, shape) in enumerate(zip(arrays, shapes, strict=True)):
        assert (a.shape, a.dtype.name, a.flags.c_contiguous, a.ctypes.data % 64) == (shape, dtype, True, 0)
        a[...] = k
    assert [set(np.unique(a)) for a in arrays] == [{0}, {1}, {2}]
    assert len({id(a.base) for a in arrays}) == 1


# The same bits


@pytest.mark.parametrize("shape", [*SHAPES, *LARGE, (2048, 96, 160)], ids=str)
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_bits_do_not_depend_on_the_number_of_threads(threads, shape, compiled):
    of = layer(shape, "float32", whole=False)

    def results(threads: int) -> list[np.ndarray]:
        compiled.engine.threads = threads
        return [
            forward(compiled, of["a"], of["W"], of["b"]),
            *backward(compiled, of["a"].copy(), of["W"], of["delta"], "sigmoid"),
        ]

    alone, together = results(1), results(threads)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_bits_do_not_depend_on_a_cut_into_row_blocks_of_whole_chunks(blocks, dtype, compiled):
    numpy, of = compiled, layer((5 * CHUNK_ROWS + 17, 70, 45), dtype, whole=False)
    wanted = [forward(numpy, of["a"], of["W"], of["b"]), *backward(numpy, of["a"].copy(), of["W"], of["delta"], "tanh")]
    weight, bias, a, out = np.empty_like(of["W"]), np.empty_like(of["b"]), of["a"].copy(), np.empty_like(of["delta"])
    rows = blocks * CHUNK_ROWS
    for top in range(0, len(a), rows):
        block = slice(top, top + rows)
        numpy.forward_layer_(a[block], of["W"], of["b"], "sigmoid", out=out[block])
        numpy.backward_layer_(
            a[block], of["delta"][block], of["W"], "tanh", first=0, weight=weight, bias=bias, onto=top > 0
        )
    assert all(x.tobytes() == y.tobytes() for x, y in zip((out, weight, bias, a), wanted, strict=True))


@pytest.mark.parametrize("threads", [1, 3])
def test_bits_do_not_depend_on_the_processor_s_level(threads, compiled):
    if compiled.engine.level != "v4":
        pytest.skip(f"this processor is {compiled.engine.level}: it runs one kind of kernels")
    command = [sys.executable, "-m", "tests.backend.numpy.digest", str(threads), "v3"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.stdout.strip() == digest(), ended.stderr


def test_a_cut_elsewhere_is_noticed(compiled):
    numpy, of = compiled, layer((2 * CHUNK_ROWS, 70, 45), "float32", whole=False)
    whole, *_ = backward(numpy, of["a"], of["W"], of["delta"], None)
    weight, bias = np.empty_like(of["W"]), np.empty_like(of["b"])
    for block in (slice(0, CHUNK_ROWS - 1), slice(CHUNK_ROWS - 1, None)):
        numpy.backward_layer_(
            of["a"][block], of["delta"][block], of["W"], None, first=0, weight=weight, bias=bias, onto=block.start > 0
        )
    assert not np.array_equal(weight, whole)
    assert np.allclose(weight, whole, rtol=1e-3, atol=1e-3)
