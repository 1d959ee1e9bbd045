"""Backward steps in large and in small pieces: the bytes of each, and that both do the same."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing, Schedule, chain_of, simulate, square_root
from checkpoint.planning.costs import FlopsAndReads
from checkpoint.planning.pieces import SMALL_PIECES_COST, SearchInPieces
from checkpoint.planning.plan import plan
from mlp.pieces import PIECES
from tests.conftest import VARIANT

SIZES, BATCH = (300, 512, 400, 512, 10), 600
"""Large enough that small pieces are a part of each layer."""


def trained(schedule: Schedule) -> tuple[NetworkWithCheckpointing, int]:
    """A network after one step, and the step's peak."""
    random = np.random.default_rng(3)
    X = random.random((BATCH, SIZES[0]), dtype=np.float32)
    y = random.random((BATCH, SIZES[-1]), dtype=np.float32)
    net = NetworkWithCheckpointing(SIZES, schedule=schedule, initialization="scaled")
    with net.backend.measure() as usage:
        net.update_mini_batch(X, y, eta=0.5)
    return net, usage.peak_bytes


@pytest.mark.parametrize("pieces", PIECES)
def test_peak_is_the_one_predicted_for_the_pieces(pieces: str) -> None:
    schedule = replace(square_root(n_layers=4), pieces=pieces)
    _, peak_bytes = trained(schedule)
    assert peak_bytes == simulate(schedule, chain_of(SIZES, batch_size=BATCH, backend=VARIANT)).peak_bytes


def test_small_pieces_take_fewer_bytes_and_give_the_same_weights() -> None:
    large, small = (replace(square_root(n_layers=4), pieces=pieces) for pieces in PIECES)
    (in_large, most), (in_small, least) = trained(large), trained(small)
    assert least < most
    for some, others in zip(in_large.weights, in_small.weights, strict=True):
        np.testing.assert_allclose(some, others, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pieces", PIECES)
def test_pieces_survive_json_and_a_smaller_batch(pieces: str) -> None:
    found = plan(SIZES, batch_size=BATCH, budget_bytes=5 * 2**20, pieces=pieces)
    assert found.schedule.pieces == pieces
    assert Schedule.from_json(found.schedule.to_json()) == found.schedule
    assert found.schedule.for_batch(BATCH - 1).pieces == pieces


@pytest.mark.parametrize("rows", [1, 8, 130])
def test_a_smaller_mini_batch_takes_no_more_than_the_plan(rows: int) -> None:
    """Blocks of a gradient that were sized for these few rows would be whole."""
    sizes, batch_size = (784, *[512] * 4, 10), 256
    found = plan(sizes, batch_size=batch_size, budget_bytes=2 * 2**20, backend=VARIANT)
    assert (found.schedule.pieces, found.schedule.planned_rows) == ("small", batch_size)
    X, y = np.ones((rows, 784), dtype=np.float32), np.ones((rows, 10), dtype=np.float32)
    net = NetworkWithCheckpointing(sizes, schedule=found.schedule, initialization="scaled")
    with net.backend.measure() as usage:
        net.update_mini_batch(X, y, eta=0.1)
    assert usage.peak_bytes == simulate(found.schedule, chain_of(sizes, batch_size=rows, backend=VARIANT)).peak_bytes
    assert usage.peak_bytes <= found.peak_bytes


def test_the_last_mini_batch_of_an_epoch_fits_where_the_others_do() -> None:
    sizes, rows = (784, 1024, 1024, 10), 128 + 8
    X, y = np.ones((rows, 784), dtype=np.float32), np.ones((rows, 10), dtype=np.float32)
    net = NetworkWithCheckpointing(sizes, budget_bytes=2**21, initialization="scaled")
    net.SGD((X, y), epochs=1, mini_batch_size=128, eta=0.1)
    most, least = (simulate(net.schedule_for(of), net.chain(of)).peak_bytes for of in (128, 8))
    assert least < most <= 2**21


def test_plan_takes_small_pieces_only_where_large_ones_do_not_fit_as_well() -> None:
    roomy = plan(SIZES, batch_size=BATCH, budget_bytes=100 * 2**20)
    least = plan(SIZES, batch_size=BATCH, budget_bytes=100 * 2**20, pieces="small").schedule
    chain = chain_of(SIZES, batch_size=BATCH)
    assert roomy.schedule.pieces == "large"
    tight = simulate(least, chain).peak_bytes
    assert tight < simulate(roomy.schedule, chain).peak_bytes


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_no_small_pieces_are_left_out_that_would_be_faster(momentum: float) -> None:
    random, above_floor = Random(3), 0
    for _ in range(6):
        sizes = [50, *(random.randint(20, 400) for _ in range(random.randint(3, 9))), 10]
        chain = chain_of(sizes, batch_size=random.choice((40, 300, 1000)), momentum=momentum)
        cost = FlopsAndReads(chain)
        search, small = (SearchInPieces(chain, cost, 16, pieces=pieces) for pieces in (None, "small"))
        low, high = search.smallest.need_bytes, search.store_all.need_bytes
        for part in (0, 0.05, 0.2, 0.5):
            budget = int(low + part * (high - low))
            found, other = search.best(budget), small.best(budget)
            assert found is not None
            assert found.cost >= search.least_cost(budget)
            above_floor += search.least_cost(budget) > search.least_cost(high)
            if other is not None and search.chain.works_in_pieces:
                assert found.cost <= other.cost
                assert other.cost >= SMALL_PIECES_COST * search.least_cost(budget)
    assert above_floor or momentum  # gradients that add onto the velocity take no bytes
