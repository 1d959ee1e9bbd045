"""The cost that steps report of themselves: that of the mini-batch before its update, with no second forward pass."""

import copy
from typing import Any

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing, every_nth, micro_batches
from mlp import ArrayBatches, Network, train
from tests.conftest import Case, parameters_of

CASE = Case((6, 9, 7, 5, 3), 300, "tanh", "cross-entropy", seed=4)
COSTS = ("quadratic", "cross-entropy", "binary-cross-entropy")


def total_of(network: Network) -> tuple[float, float]:
    return network.cost_total.value, network.cost_total.weight


@pytest.mark.parametrize("kind", [Network, NetworkWithCheckpointing], ids=["plain", "with checkpointing"])
@pytest.mark.parametrize("cost", COSTS)
def test_step_adds_the_cost_before_its_update(kind, cost, backend, dtype):
    case = Case((6, 5, 3), 40, "tanh", cost, seed=2)
    more = {"checkpoint_every_nth_layer": 2} if kind is NetworkWithCheckpointing else {}
    network = case.network(backend, dtype, kind, **more)
    X, y = case.batch(backend, dtype)
    wanted = 0.0
    for step in range(1, 4):
        wanted += 40 * network.mean_cost(*case.host_batch(dtype))
        network.update_mini_batch(X, y, eta=0.5)
        assert network.cost_total.value == pytest.approx(wanted, rel=1e-5)
        assert network.cost_total.weight == 40 * step
        assert network.mean_step_cost() == pytest.approx(wanted / 40 / step, rel=1e-5)
    network.cost_total.clear()
    assert total_of(network) == (0, 0)
    assert network.mean_step_cost() is None


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(
    "schedule",
    [every_nth(n_layers=4, n=2), micro_batches(n_layers=4, batch_size=300, rows=128)],
    ids=["every second", "row blocks"],
)
def test_cost_has_the_same_bits_however_a_step_is_taken(schedule, cost, dtype):
    case = Case(CASE.sizes, 300, "tanh", cost, seed=4)
    kinds: list[Any] = [case.network("numpy", dtype)]
    kinds += [case.network("numpy", dtype, NetworkWithCheckpointing, schedule=schedule) for _ in range(2)]
    exact = kinds[0].backend.facts.chunk_rows is not None or schedule.row_block is None
    X, y = case.host_batch(dtype)
    for network in kinds:
        for _ in range(2):
            if network is kinds[2]:
                with network.observing(lambda *_: None):
                    network.update_mini_batch(X, y, eta=0.3)
            else:
                network.update_mini_batch(X, y, eta=0.3)
    found = [total_of(network) for network in kinds]
    assert found[1] == found[2]
    assert found[0] == (found[1] if exact else pytest.approx(found[1]))


def test_threads_do_not_change_the_cost(monkeypatch, dtype):
    found = set()
    for threads in (1, 2, 3):
        network = CASE.network("numpy", dtype)
        if network.backend.whole_steps is None:
            pytest.skip("there are no compiled kernels here")
        monkeypatch.setattr(network.backend.engine, "threads", threads)
        network.update_mini_batch(*CASE.host_batch(dtype), eta=0.3)
        found.add(total_of(network))
    assert len(found) == 1


def test_gradients_that_are_asked_for_are_no_step():
    network = CASE.network("numpy", "float32")
    list(network.backprop(*CASE.host_batch("float32")))
    assert total_of(network) == (0, 0)


def test_history_has_the_mean_over_the_epoch_s_samples(backend, dtype):
    network = Case((6, 5, 3), 23, "tanh", "cross-entropy").network(backend, dtype)
    data = Case((6, 5, 3), 23).host_batch(dtype)
    again, wanted = copy.deepcopy(network), []
    for start in [*range(0, 23, 5)] * 2:
        X, y = data[0][start : start + 5], data[1][start : start + 5]
        wanted += [again.mean_cost(X, y)] * len(X)
        again.update_mini_batch(backend.asarray(X), backend.asarray(y), eta=0.5)
    history = network.SGD(data, 2, 5, 0.5, shuffle=False)
    means = [np.mean(wanted[:23]), np.mean(wanted[23:])]
    assert [record.training_cost for record in history] == pytest.approx(means, rel=1e-5)
    assert total_of(again) == (pytest.approx(sum(wanted), rel=1e-5), 46)  # a copy has a sum of its own


def test_epoch_without_a_step_has_no_cost():
    network = Network([4, 3])
    batches = ArrayBatches(network, np.zeros((10, 4), "float32"), np.arange(10) % 3)
    (record,) = train(network, batches, epochs=1, mini_batch_size=5, eta=0.1, first_epoch=1, first_step=3)
    assert record.training_cost is None


class Forwards(Network):
    """Counts the layers that are run forward."""

    forwards = 0

    def forward_layer(self, layer: int, a: Any, *, out: Any) -> Any:
        self.forwards += 1
        return super().forward_layer(layer, a, out=out)


def test_cost_takes_no_second_forward_pass():
    network = CASE.network("numpy", "float32", Forwards)
    network.SGD(CASE.host_batch("float32"), 1, 100, 0.1)
    assert network.forwards == 3 * 4


def test_cost_takes_no_array_bytes_in_a_step(metered, dtype):
    network = CASE.network(metered, dtype)
    X, y = CASE.batch(metered, dtype)
    other = CASE.network(metered, dtype)
    other.add_cost = lambda a, y, weights: None  # type: ignore[method-assign]
    peaks = []
    for each in (network, other):
        with metered.measure() as usage:
            each.update_mini_batch(X, y, eta=0.1)
        peaks.append(usage.peak_bytes)
        assert usage.end_bytes == 0
    assert peaks[0] == peaks[1]
    assert [p.tobytes() for p in parameters_of(network)] == [p.tobytes() for p in parameters_of(other)]
