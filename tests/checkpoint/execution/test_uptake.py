"""Gradients that go onto weights and velocities: the bytes predicted, the bits of plain steps, and bad numbers."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import Backend
from backend.numpy.uncompiled import UncompiledNumpy
from checkpoint import NetworkWithCheckpointing, load, micro_batches, plan, simulate, store_all
from mlp import Gradient, Network, TrainingError
from mlp.optimizers import Momentum
from mlp.uptake import IN_PIECES, ONTO_VELOCITY, ONTO_WEIGHTS
from tests.checkpoint.schedules import KINDS, a_chain, a_schedule
from tests.conftest import Case, backend_called, compiled_only, parameters_of, same_bits

BACKENDS = ("numpy", "numpy-uncompiled", pytest.param("cupy", marks=pytest.mark.gpu))
CASE = Case((7, 6, 5, 6, 3), 11, activation="tanh", momentum=0.5)


@pytest.fixture(scope="module", params=BACKENDS)
def taking(request: pytest.FixtureRequest) -> Backend:
    """Each backend that measures bytes, NumPy's own kernels among them."""
    return UncompiledNumpy() if request.param == "numpy-uncompiled" else backend_called(request.param)


def states_of(network: Network) -> list[np.ndarray]:
    """Parameters and velocities, on the host, as copies."""
    velocities = [np.array(network.backend.to_numpy(v)) for pair in network.velocities for v in pair]
    return parameters_of(network) + velocities


class InPieces(Network):
    """A subclass that takes up gradients itself."""

    def apply_gradient(self, gradient: Gradient, rate: float) -> None:
        super().apply_gradient(gradient, rate)


# Bytes


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from([kind for kind in KINDS if kind != "offloaded"]))
@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("memory", ["arena", "allocator"])
def test_step_takes_the_bytes_predicted_after_each_action(seed, kind, momentum, memory, taking, dtype):
    random = Random(seed)
    drawn = a_chain(random, most_layers=6, most_units=30, most_rows=40)
    pieces = random.choice((None, (1, 1, 1), (2, 40, 3), (4, 1, 256)))
    case = Case(drawn.widths, drawn.batch_size, momentum=momentum, seed=seed, piece_sizes=pieces)
    with case.in_pieces():
        plain = case.network(taking, dtype, NetworkWithCheckpointing, schedule=store_all(n_layers=case.n_layers))
        schedule = a_schedule(random, plain.chain(case.batch_size), kind)
        network = case.network(taking, dtype, NetworkWithCheckpointing, schedule=schedule)
        X, y = case.batch(taking, dtype)
        predicted = simulate(schedule, network.chain(case.batch_size))
        with network.buffers.apart() if memory == "allocator" else nullcontext():
            for _ in range(2):
                with taking.measure() as usage, network.observing(lambda *_: usage.mark()):
                    network.update_mini_batch(X, y, eta=0.1)
                assert usage.peak_bytes == predicted.peak_bytes
                assert usage.marks == list(predicted.bytes_after)


def test_classic_step_holds_no_gradient(taking):
    network = Network((784, 100, 30, 10), backend=taking)
    X, y = Case((784, 100, 30, 10), 100).batch(taking, "float32")
    with taking.measure() as usage:
        network.update_mini_batch(X, y, eta=0.1)
    activations, padded = [100 * 100 * 4, 100 * 30 * 4, 100 * 10 * 4], taking.facts.array_bytes
    if taking.facts.onto_weights:  # beside a_1 and delta_2, the error of layer 1
        assert usage.peak_bytes == padded(activations[0]) * 2 + padded(activations[1])
    else:  # beside delta_1, the gradient of layer 1
        assert usage.peak_bytes == activations[0] + 784 * 100 * 4 + 100 * 4


def test_plan_with_momentum_holds_no_sums_of_row_blocks():
    of: dict[str, Any] = {"batch_size": 1024, "minimum_block_rows": 128}
    sizes = (30, *[64] * 12, 10)
    with_momentum = plan(sizes, budget_bytes="200KiB", momentum=0.9, **of)
    assert with_momentum.recompute_fraction <= 1
    assert with_momentum.keeps_bits
    without = replace(with_momentum.chain, uptake=IN_PIECES)
    assert simulate(with_momentum.schedule, without).peak_bytes > 4 * 2**16


# Bits


@compiled_only
@pytest.mark.parametrize("rows", [128, 256])
def test_row_blocks_of_whole_chunks_add_onto_velocities_in_the_bits_of_plain_steps(rows, dtype):
    case = Case((12, 40, 9, 33, 4), 300, momentum=0.9)
    schedule = micro_batches(n_layers=4, batch_size=300, rows=rows)
    networks = [case.network("numpy", dtype), *(_following(case, dtype, schedule) for _ in range(2))]
    for _ in range(3):
        for network, watched in zip(networks, (False, False, True), strict=True):
            with network.observing(lambda *_: None) if watched else nullcontext():
                network.update_mini_batch(*case.host_batch(dtype), eta=0.5)
    assert same_bits(states_of(networks[0]), states_of(networks[1]))
    assert same_bits(states_of(networks[0]), states_of(networks[2]))
    assert [network.count.calls > 0 for network in networks] == [True, True, False]


def _following(case: Case, dtype: str, schedule: Any, backend: Any = "numpy") -> NetworkWithCheckpointing:
    network: NetworkWithCheckpointing = case.network(backend, dtype, NetworkWithCheckpointing, schedule=schedule)
    return network


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_recomputing_whole_batches_have_the_bits_of_plain_steps(momentum, taking, dtype):
    case = Case((12, 40, 9, 33, 4), 60, momentum=momentum)
    plain, other = (
        case.network(taking, dtype, kind, **how)
        for kind, how in ((Network, {}), (NetworkWithCheckpointing, {"checkpoint_every_nth_layer": 2}))
    )
    for _ in range(3):
        for network in (plain, other):
            network.update_mini_batch(*case.batch(taking, dtype), eta=0.5)
    assert same_bits(states_of(plain), states_of(other))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradients_onto_weights_and_velocities_are_those_in_pieces(momentum, taking, dtype):
    case = Case((12, 40, 9, 33, 4), 60, momentum=momentum)
    own, other = (case.network(taking, dtype, kind) for kind in (Network, InPieces))
    assert own.uptake == (ONTO_VELOCITY if momentum else ONTO_WEIGHTS if taking.facts.onto_weights else IN_PIECES)
    assert other.uptake == IN_PIECES
    for _ in range(3):
        for network in (own, other):
            network.update_mini_batch(*case.batch(taking, dtype), eta=0.5)
    close = 1e-5 if dtype == "float32" else 1e-13
    for ours, theirs in zip(states_of(own), states_of(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=close, atol=close)


def test_backprop_at_a_rate_yields_what_it_does_not_take_up_itself(taking):
    case = Case((5, 4, 3), 6)
    for momentum in (0.0, 0.5):
        network = replace(case, momentum=momentum).network(taking, "float32")
        before = parameters_of(network)
        yielded = list(network.backprop(*case.batch(taking, "float32"), in_pieces=True, rate=0.1))
        assert (len(yielded) == 0) == (network.uptake != IN_PIECES)
        assert same_bits(before, parameters_of(network)) == bool(yielded)
        assert len(list(network.backprop(*case.batch(taking, "float32"), in_pieces=True))) == 2


# Numbers that are not finite


def step_and_look(network: Network, X: Any, y: Any) -> None:
    """A step whose error is raised here at the latest: a GPU says of it when the host asks."""
    network.update_mini_batch(X, y, eta=0.3)
    network.look(wait=True)


def test_bad_number_in_a_whole_batch_leaves_weights_and_velocities(taking):
    network = CASE.network(taking, "float32")
    X, y = CASE.batch(taking, "float32")
    network.update_mini_batch(X, y, eta=0.3)
    y[0, 0] = np.nan
    before = states_of(network)
    with pytest.raises(TrainingError, match="the error of layer 4 is not finite any more"):
        step_and_look(network, X, y)
    assert same_bits(before, states_of(network))
    assert not network.velocities_are_spoilt


@pytest.mark.parametrize("watched", [False, True], ids=["program", "executor"])
def test_bad_number_in_row_blocks_spoils_velocities_alone_and_is_not_saved(watched, taking, tmp_path: Path):
    schedule = micro_batches(n_layers=4, batch_size=11, rows=4)
    network = _following(CASE, "float32", schedule, taking)
    X, y = CASE.batch(taking, "float32")
    network.update_mini_batch(X, y, eta=0.3)
    network.save(tmp_path / "good")
    y[9, 0] = np.nan
    before = parameters_of(network)
    watching = network.observing(lambda *_: None) if watched else nullcontext()
    with watching, pytest.raises(TrainingError, match=r"layer 4 .* velocities have some row blocks") as caught:
        step_and_look(network, X, y)
    assert caught.value.layer == 4
    assert same_bits(before, parameters_of(network))
    assert all(np.isfinite(state).all() for state in states_of(network))
    with pytest.raises(TrainingError, match="go on from a saved state"):
        network.save(tmp_path / "spoilt")
    assert not (tmp_path / "spoilt").exists()
    again = load(tmp_path / "good", backend=taking)
    again.save(tmp_path / "again")
    assert same_bits(before, parameters_of(again))
    network.use_optimizer(Momentum(0.5))
    network.save(tmp_path / "anew")
