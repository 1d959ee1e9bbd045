"""Activations kept in two bytes: bits are those of plain steps of the same precision, bytes the predicted ones."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import Backend
from checkpoint import (
    BudgetError,
    CheckpointError,
    NetworkWithCheckpointing,
    Schedule,
    chain_of,
    every_nth,
    load,
    plan,
    plan_chain,
    simulate,
    store_all,
)
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.planning.planned import keeps_bits
from checkpoint.schedule.placement import arena_bytes
from mlp.precision import STORED
from tests.checkpoint.chains import random_chain
from tests.checkpoint.exhaustive import least_recompute
from tests.checkpoint.offloading import all_offloaded, place_for
from tests.checkpoint.schedules import KINDS, a_schedule
from tests.conftest import Case, backend_called, cases, gradients_of, parameters_of, same_bits

Memory = Callable[[Any], AbstractContextManager[None]]

CASE = Case((6, 24, 16, 24, 16, 24, 5), 300, "tanh", "cross-entropy", momentum=0.5)


@pytest.fixture(params=["numpy", "numpy-readonly", pytest.param("cupy", marks=pytest.mark.gpu)], scope="session")
def either(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn that can measure bytes."""
    return backend_called(request.param)


def half(case: Case, backend: Backend, kind: str, *, schedule: Schedule, **more: Any) -> Any:
    kinds = more.pop("network", NetworkWithCheckpointing)
    return case.network(backend, "float32", kinds, schedule=schedule, precision=kind, **more)


def measured(net: Any, X: Any, y: Any) -> Any:
    with net.backend.measure() as usage, net.observing(lambda *_: usage.mark()):
        net.update_mini_batch(X, y, eta=0.01)
    return usage


@given(case=cases(), seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(STORED), which=st.sampled_from(KINDS))
def test_measured_bytes_are_the_predicted_ones(
    either: Backend, memory: Memory, tmp_path_factory: Any, case: Case, seed: int, kind: str, which: str
) -> None:
    """With every kind of schedule, those in row blocks too."""
    random = Random(seed)
    chain = replace(chain_of(case.sizes, batch_size=case.batch_size), halves=True)
    schedule = a_schedule(random, chain, which)
    place = place_for(either, tmp_path_factory.getbasetemp())
    net = half(case, either, kind, schedule=schedule, offload=place)
    X, y = case.batch(either, "float32")
    with case.in_pieces(), memory(net):
        predicted = simulate(schedule, net.chain(case.batch_size))
        usage = measured(net, X, y)
    assert tuple(usage.marks) == predicted.bytes_after
    assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)
    assert net.transfers is None or net.transfers.asked_bytes == predicted.host_peak_bytes


@given(case=cases(), seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(STORED), which=st.sampled_from(KINDS))
def test_bits_are_those_of_plain_steps_of_the_same_precision(
    either: Backend, tmp_path_factory: Any, case: Case, seed: int, kind: str, which: str
) -> None:
    schedule = a_schedule(Random(seed), chain_of(case.sizes, batch_size=case.batch_size), which)
    net = half(case, either, kind, schedule=schedule, offload=place_for(either, tmp_path_factory.getbasetemp()))
    plain = case.network(either, "float32", precision=kind)
    X, y = case.batch(either, "float32")
    got, wanted = gradients_of(net, X, y), gradients_of(plain, X, y)
    if keeps_bits(schedule, net.chain(case.batch_size)):
        assert same_bits(got, wanted)
    else:
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_row_blocks_of_whole_chunks_keep_bits(either: Backend, kind: str, dropout: float) -> None:
    """On NumPy; elsewhere blocks add up in another order."""
    case = CASE
    plain = case.network(either, "float32", precision=kind, dropout=dropout)
    X, y = case.batch(either, "float32")
    budget = plan(case.sizes, batch_size=300, budget_bytes="100%", precision=kind, momentum=0.5).arena_bytes * 2 // 3
    found = plan(case.sizes, batch_size=300, budget_bytes=budget, precision=kind, momentum=0.5, pieces="large")
    assert found.row_block is not None
    net = half(case, either, kind, schedule=found.schedule, dropout=dropout)
    for _ in range(3):
        for each in (net, plain):
            each.update_mini_batch(X, y, eta=0.1)
    if keeps_bits(found.schedule, net.chain(300)):
        assert same_bits(parameters_of(net), parameters_of(plain))
    else:
        assert either.facts.chunk_rows is None
        for a, b in zip(parameters_of(net), parameters_of(plain), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", STORED)
def test_rows_that_run_forward_a_few_at_a_time_drop_the_same_outputs(
    either: Backend, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = CASE.batch(either, "float32")
    gradients = []
    for rows in (1024, 128):
        monkeypatch.setattr("mlp.pieces.FORWARD_ROWS", rows)
        net = CASE.network(either, "float32", precision=kind, dropout=0.4)
        gradients.append(gradients_of(net, X, y))
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", STORED)
def test_steps_check_themselves(either: Backend, kind: str, tmp_path: Path) -> None:
    X, y = CASE.batch(either, "float32")
    for schedule in (all_offloaded(6), store_all(n_layers=6), every_nth(n_layers=6, n=2)):
        net = half(CASE, either, kind, schedule=schedule, network=VerifyingNetwork, offload=place_for(either, tmp_path))
        plain = CASE.network(either, "float32", precision=kind)
        for each in (net, plain, net, plain):
            each.update_mini_batch(X, y, eta=0.1)
        assert same_bits(parameters_of(net), parameters_of(plain))


@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_activations_take_half_the_bytes(backend: str) -> None:
    sizes, rows = [64, *[256] * 20, 10], 4096
    full, halves = (chain_of(sizes, batch_size=rows, backend=backend, precision=name) for name in ("full", "float16"))
    assert [halves.activation_bytes(layer) * 2 for layer in range(1, 20)] == [
        full.activation_bytes(layer) for layer in range(1, 20)
    ]
    assert halves.activation_bytes(21) == full.activation_bytes(21)
    assert halves.host_bytes(3) * 2 == full.host_bytes(3)
    peaks = [simulate(store_all(n_layers=21), chain).peak_bytes for chain in (full, halves)]
    assert peaks[1] < 0.7 * peaks[0]
    least = [plan_chain(chain, budget_bytes=peaks[1]).recompute_fraction for chain in (full, halves)]
    assert least[1] == 0
    assert least[0] >= 0


@pytest.mark.parametrize("row_blocks", [False, True])
def test_plans_in_halves_are_within_their_budget(row_blocks: bool) -> None:
    random = Random(5)
    for _ in range(12):
        chain = replace(random_chain(random, most_layers=8), halves=True)
        with pytest.raises(BudgetError) as refused:
            plan_chain(chain, budget_bytes=0, row_blocks=row_blocks, minimum_block_rows=2)
        least = refused.value.minimum_bytes
        for budget in (least, least * 5 // 4):
            found = plan_chain(chain, budget_bytes=budget, row_blocks=row_blocks, minimum_block_rows=2)
            assert found.peak_bytes <= found.arena_bytes <= budget
            assert found.arena_bytes == arena_bytes(found.schedule, chain)


def test_cheapest_persistent_plans_are_those_of_exhaustive_search() -> None:
    """Whole mini-batches: what a search says of bytes in halves is what a step takes."""
    random = Random(6)
    for _ in range(25):
        chain = replace(random_chain(random, most_layers=4), halves=True)
        least = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
        for budget in (least, least * 4 // 5, least * 3 // 5):
            best = least_recompute(chain, budget, kind="persistent")
            try:
                found = plan_chain(chain, budget_bytes=budget, row_blocks=False, pieces="large")
            except BudgetError:
                continue
            assert found.recompute_fraction * chain.total_forward_flops <= best + 1e-6


def test_saved_plans_are_followed_again(tmp_path: Path) -> None:
    X, y = CASE.batch(backend_called("numpy"), "float32")
    net = CASE.network("numpy", "float32", NetworkWithCheckpointing, budget_bytes="70%", precision="float16")
    net.update_mini_batch(X, y, eta=0.1)
    net.save(tmp_path / "net.state")
    again = load(tmp_path / "net.state")
    assert again.precision == "float16"
    assert again.schedule_for(300) == net.schedule_for(300)
    for each in (net, again):
        each.update_mini_batch(X, y, eta=0.1)
    assert same_bits(parameters_of(net), parameters_of(again))


def test_ranks_keep_activations_in_full() -> None:
    with pytest.raises(CheckpointError, match="ranks keep activations in full; leave bfloat16 out of precision"):
        CASE.network("numpy", "float32", NetworkOnRanks, link=Alone(), precision="bfloat16")
