"""The pieces that a backward step works in: whole for small layers, no larger than needed for large ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp.pieces import BLOCK_FLOPS, DELTA_ROWS, DELTA_VALUES, GRADIENT_ROWS, delta_block_rows, gradient_block_rows
from tests.conftest import Case, gradients_of, parameters_of

any_size = st.integers(1, 5000)


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_blocks_are_a_part_of_the_layer(rows, n_in, n_out):
    assert 1 <= gradient_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small") <= n_in
    assert 1 <= delta_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small") <= rows


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_block_is_whole_or_has_enough_work(rows, n_in, n_out):
    block = gradient_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    assert block == n_in or 2 * rows * block * n_out >= BLOCK_FLOPS or block >= GRADIENT_ROWS
    assert block == n_in or block % GRADIENT_ROWS == 0


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_block_is_no_larger_than_its_work_asks_for(rows, n_in, n_out):
    block = gradient_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    assert block <= GRADIENT_ROWS or 2 * rows * (block - GRADIENT_ROWS) * n_out < BLOCK_FLOPS


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_piece_of_the_error_is_no_larger_than_the_gradients_or_a_fixed_size(rows, n_in, n_out):
    block = gradient_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    piece = block * delta_block_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    assert piece <= max(DELTA_VALUES, block * n_out)


LARGE = Case((200, 512, 300, 10), DELTA_ROWS + 90)
"""A case in which layers really are worked in blocks, by the constants as they are."""


def test_large_case_is_worked_in_blocks():
    assert gradient_block_rows(rows=LARGE.batch_size, n_in=512, n_out=300, pieces="small") < 512
    assert delta_block_rows(rows=LARGE.batch_size, n_in=512, n_out=300, pieces="small") < LARGE.batch_size


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_step_in_blocks_applies_the_whole_gradients(momentum, backend, dtype):
    case = Case(LARGE.sizes, LARGE.batch_size, momentum=momentum)
    network = case.network(backend, dtype)
    X, y = case.batch(backend, dtype)
    before, gradients = parameters_of(network), gradients_of(network, X, y)
    network.update_mini_batch(X, y, eta=0.5)
    for old, gradient, new in zip(before, gradients, parameters_of(network), strict=True):
        np.testing.assert_allclose(new, old - 0.5 / case.batch_size * gradient, rtol=0, atol=1e-6)
