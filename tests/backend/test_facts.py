"""The plain numbers of each backend: each backend has a row, and the row says what the backend does."""

from dataclasses import astuple

import numpy as np
import pytest

from backend.facts import FACTS, UNCOMPILED, Facts


def test_each_backend_has_a_row_of_facts(metered):
    rows = {"numpy": [FACTS["numpy"], FACTS[UNCOMPILED]], "cupy": [FACTS["cupy"]]}
    assert metered.facts in rows[metered.name]


def test_reference_has_the_defaults(backend):
    if backend.name != "array-api-strict":
        pytest.skip(f"{backend.name} has facts of its own")
    assert astuple(backend.facts) == astuple(Facts())


def test_allocations_are_rounded_up_to_the_unit(metered):
    with metered.measure() as usage:
        a = metered.empty((1,), "float32")
    unit = metered.facts.allocation_bytes
    assert usage.end_bytes == -(-a.nbytes // unit) * unit


def test_error_in_place_needs_no_piece(metered):
    a, W = metered.zeros((6, 4), "float32"), metered.zeros((4, 3), "float32")
    delta, weight = metered.zeros((6, 3), "float32"), metered.zeros((4, 3), "float32")
    with metered.measure() as usage:
        metered.backward_layer_(a, delta, W, "tanh", first=0, weight=weight, bias=None)
    assert (usage.peak_bytes == 0) == metered.facts.error_in_place


def test_row_blocks_at_whole_chunks_keep_bits(metered):
    chunk = metered.facts.chunk_rows
    if chunk is None:
        pytest.skip(f"{metered.name} adds up in another order")
    random = np.random.default_rng(0)
    a, delta = (metered.asarray(random.normal(size=(2 * chunk + 5, n)).astype("float32")) for n in (7, 5))
    W, whole, blocks = (metered.zeros((7, 5), "float32") for _ in range(3))
    metered.backward_layer_(a, delta, W, None, first=0, weight=whole, bias=None)
    for start in (0, chunk, 2 * chunk):
        rows = slice(start, start + chunk)
        metered.backward_layer_(a[rows], delta[rows], W, None, first=0, weight=blocks, bias=None, onto=start > 0)
    assert metered.to_numpy(whole).tobytes() == metered.to_numpy(blocks).tobytes()
