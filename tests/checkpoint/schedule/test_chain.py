"""The chain's bytes and operations, counted by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.facts import FACTS, UNCOMPILED
from checkpoint import chain_of
from checkpoint.schedule.chain import MAX_ROWS
from mlp import NetworkError
from mlp.optimizers import GradientDescent, Momentum
from mlp.pieces import DELTA_ROWS, LARGE_DELTA_ROWS
from mlp.uptake import IN_PIECES, ONTO_VELOCITY, ONTO_WEIGHTS
from tests.conftest import cases

CHAIN = chain_of([4, 3, 2], batch_size=5)


def test_chain_knows_its_layers():
    assert (CHAIN.widths, CHAIN.batch_size) == ((4, 3, 2), 5)
    assert (CHAIN.item_bytes, CHAIN.allocation_bytes) == (4, 1)
    assert CHAIN.n_layers == 2


def test_activations_take_a_value_for_each_row_and_unit_and_the_input_nothing():
    assert [CHAIN.activation_bytes(layer) for layer in (0, 1, 2)] == [0, 5 * 3 * 4, 5 * 2 * 4]
    assert CHAIN.activation_bytes(1, rows=2) == 2 * 3 * 4
    assert CHAIN.activation_bytes(0, rows=2) == 0


def test_gradient_is_the_weight_s_and_the_bias_s():
    assert [CHAIN.gradient_bytes(layer) for layer in (1, 2)] == [(4 * 3 + 3) * 4, (3 * 2 + 2) * 4]


def test_backward_step_works_with_gradient_and_bias():
    assert [CHAIN.workspace_bytes(layer) for layer in (1, 2)] == [(4 * 3 + 3) * 4, (3 * 2 + 2) * 4]


def test_error_below_is_made_apart_but_for_the_first_layer_where_it_cannot_be_made_in_place():
    apart = replace(CHAIN, error_in_place=False)
    assert apart.workspace_bytes(2) == (3 * 2 + 2 + 5 * 3) * 4
    assert apart.workspace_bytes(1) == (4 * 3 + 3) * 4


def test_row_block_adds_to_gradients_that_are_held_anyway():
    assert CHAIN.workspace_bytes(2, rows=2) == replace(CHAIN, adds_up=True).workspace_bytes(2) == 0
    assert replace(CHAIN, error_in_place=False).workspace_bytes(2, rows=2) == 2 * 3 * 4


def test_large_backward_step_works_in_blocks():
    small = replace(chain_of([1024, 1024, 1024], batch_size=4096, backend="cupy"), pieces="small")
    assert small.workspace_bytes(2) == (64 * 1024 + 1024 + DELTA_ROWS * 64) * 4
    large = replace(small, pieces="large")
    assert large.workspace_bytes(2) == (1024 * 1024 + 1024 + LARGE_DELTA_ROWS * 1024) * 4
    assert replace(small, error_in_place=True).workspace_bytes(2) == (64 * 1024 + 1024) * 4


def test_onto_weights_a_step_holds_the_error_below_and_no_gradient():
    chain = chain_of([4, 3, 2], batch_size=5, backend=UNCOMPILED)
    assert chain.uptake == ONTO_WEIGHTS
    assert [chain.workspace_bytes(layer) for layer in (1, 2)] == [0, 5 * 3 * 4]
    assert chain.workspace_bytes(2, rows=2) == 2 * 3 * 4  # the gradient of row blocks is held elsewhere
    assert chain.sum_bytes(2) == chain.gradient_bytes(2)


def test_a_gradient_smaller_than_the_error_is_held_in_its_place():
    few, many = (chain_of([8, 8, 8], batch_size=rows, backend=UNCOMPILED) for rows in (1032, 1033))
    assert LARGE_DELTA_ROWS == 1024
    assert few.workspace_bytes(2) == 1032 * 8 * 4
    assert many.workspace_bytes(2) == (8 * 8 + 8 + 1024 * 8) * 4


@pytest.mark.parametrize("name", FACTS)
def test_onto_the_velocity_neither_a_step_nor_row_blocks_hold_a_gradient(name):
    chain = chain_of([4, 3, 2], batch_size=5, backend=name, momentum=0.9)
    apart = 0 if chain.error_in_place else chain.array_bytes(5 * 3)
    assert [chain.workspace_bytes(layer) for layer in (1, 2)] == [0, apart]
    assert [chain.sum_bytes(layer) for layer in (1, 2)] == [0, 0]
    assert chain.gradient_bytes(2) == chain.array_bytes(6) + chain.array_bytes(2)


def test_optimizer_says_what_is_held_of_gradients():
    class Squares:
        uptake = IN_PIECES

    for name in FACTS:
        assert chain_of([4, 3, 2], batch_size=5, backend=name, optimizer=Squares()).uptake == IN_PIECES
        assert chain_of([4, 3, 2], batch_size=5, backend=name, optimizer=Momentum(0.5)).uptake == ONTO_VELOCITY
        plain = chain_of([4, 3, 2], batch_size=5, backend=name, optimizer=GradientDescent())
        assert plain == chain_of([4, 3, 2], batch_size=5, backend=name)


def test_forward_takes_two_operations_a_weight_and_row():
    assert [CHAIN.forward_flops(layer) for layer in (1, 2)] == [2 * 5 * 12, 2 * 5 * 6]
    assert CHAIN.forward_flops(1, rows=2) == 2 * 2 * 12
    assert CHAIN.total_forward_flops == 2 * 5 * 18


def test_float64_takes_twice_the_bytes():
    chain = chain_of([4, 3, 2], batch_size=5, dtype="float64")
    assert chain.activation_bytes(1) == 2 * CHAIN.activation_bytes(1)
    assert chain.workspace_bytes(2) == 2 * CHAIN.workspace_bytes(2)


def test_each_array_of_cupy_s_is_rounded_up_to_512_bytes():
    chain = chain_of([4, 3, 2], batch_size=5, backend="cupy")
    assert (chain.activation_bytes(1), chain.gradient_bytes(1), chain.workspace_bytes(2)) == (512, 1024, 512)
    assert [chain.array_bytes(values) for values in (0, 1, 128, 129)] == [0, 512, 512, 1024]


@given(case=cases(), rows=st.integers(1, 13))
def test_rows_cost_no_more_than_the_whole_mini_batch(case, rows):
    chain = chain_of(case.sizes, batch_size=13)
    for layer in range(1, chain.n_layers + 1):
        assert chain.activation_bytes(layer, rows) <= chain.activation_bytes(layer)
        assert chain.workspace_bytes(layer, rows) <= chain.workspace_bytes(layer)
        assert chain.forward_flops(layer, rows) * 13 == chain.forward_flops(layer) * rows


@pytest.mark.parametrize("name", FACTS)
def test_chain_has_the_facts_of_its_backend(name):
    chain, facts = chain_of([4, 3, 2], batch_size=5, backend=name), FACTS[name]
    assert (chain.allocation_bytes, chain.error_in_place) == (facts.allocation_bytes, facts.error_in_place)
    assert chain.sum_rows == facts.chunk_rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, f"batch size must be a whole number from 1 to {MAX_ROWS}; got 0"),
        ({"batch_size": -5}, "batch size must be"),
        ({"batch_size": MAX_ROWS + 1}, f"batch size must be .*; got {MAX_ROWS + 1}"),
        ({"batch_size": 10**40}, "batch size must be"),
        ({"batch_size": 2.0}, "batch size must be"),
        ({"batch_size": None}, "batch size must be"),
        ({"batch_size": 5, "dtype": "float16"}, "unknown dtype 'float16'; choose float32 or float64"),
        ({"batch_size": 5, "momentum": 1}, "momentum must be at least 0 and below 1; got 1"),
        ({"batch_size": 5, "backend": "cuda"}, "unknown backend 'cuda'; choose numpy or cupy"),
    ],
)
def test_arguments_of_no_chain_are_refused(arguments, message):
    with pytest.raises(NetworkError, match=message):
        chain_of([4, 3, 2], **arguments)


@pytest.mark.parametrize("sizes", [[4], [4, 0], [4, 2.5]])
def test_sizes_of_no_network_are_refused(sizes):
    with pytest.raises(NetworkError, match=r"layer|width|whole"):
        chain_of(sizes, batch_size=1)
