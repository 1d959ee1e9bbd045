"""The pieces that a backward step works in: whole for small layers, no larger than needed for large ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp.pieces import DELTA_ROWS, DELTA_VALUES, GRADIENT_ROWS, PIECE_FLOPS, error_piece_rows, gradient_piece_rows
from tests.conftest import Case, gradients_of, parameters_of

any_size = st.integers(1, 5000)


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_pieces_are_a_part_of_the_layer(rows, n_in, n_out):
    assert 1 <= gradient_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small") <= n_in
    assert 1 <= error_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small") <= rows


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_piece_is_whole_or_has_enough_work(rows, n_in, n_out):
    rows_of_piece = gradient_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    assert rows_of_piece == n_in or 2 * rows * rows_of_piece * n_out >= PIECE_FLOPS or rows_of_piece >= GRADIENT_ROWS
    assert rows_of_piece == n_in or rows_of_piece % GRADIENT_ROWS == 0


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_piece_is_no_larger_than_its_work_asks_for(rows, n_in, n_out):
    rows_of_piece = gradient_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    assert rows_of_piece <= GRADIENT_ROWS or 2 * rows * (rows_of_piece - GRADIENT_ROWS) * n_out < PIECE_FLOPS


@given(rows=any_size, n_in=any_size, n_out=any_size)
def test_piece_of_the_error_is_no_larger_than_the_gradients_or_a_fixed_size(rows, n_in, n_out):
    rows_of_piece = gradient_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    piece = rows_of_piece * error_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
    assert piece <= max(DELTA_VALUES, rows_of_piece * n_out)


LARGE = Case((200, 512, 300, 10), DELTA_ROWS + 90)
"""A case in which layers really are worked in pieces, by the constants as they are."""


def test_large_case_is_worked_in_pieces():
    assert gradient_piece_rows(rows=LARGE.batch_size, n_in=512, n_out=300, pieces="small") < 512
    assert error_piece_rows(rows=LARGE.batch_size, n_in=512, n_out=300, pieces="small") < LARGE.batch_size


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_step_in_pieces_applies_the_whole_gradients(momentum, backend, dtype):
    case = Case(LARGE.sizes, LARGE.batch_size, momentum=momentum)
    network = case.network(backend, dtype)
    X, y = case.batch(backend, dtype)
    before, gradients = parameters_of(network), gradients_of(network, X, y)
    network.update_mini_batch(X, y, eta=0.5)
    for old, gradient, new in zip(before, gradients, parameters_of(network), strict=True):
        np.testing.assert_allclose(new, old - 0.5 / case.batch_size * gradient, rtol=0, atol=1e-6)
