"""Steps as plans of launches: the bits of the executor, launches that stay as they are, and few calls of Python's."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend import Backend
from checkpoint import NetworkWithCheckpointing
from mlp import Adam, Network
from mlp.row_weights import row_weights
from tests.conftest import Case, parameters_of, same_bits
from tests.mlp.steps_on_gpu import CASE, OPTIMIZERS, SCHEDULES, network_of

pytestmark = pytest.mark.gpu

LONGER = replace(CASE, sizes=(6, 9, 7, 5, 8, 4, 3))
NETWORKS: dict[str, dict[str, Any]] = {**OPTIMIZERS, "dropout": {"dropout": 0.4}}
STEPS = 6


def batches(backend: Backend, dtype: str, count: int) -> list[tuple[Any, Any]]:
    """Mini-batches of 22 rows at several places on the device, all aligned alike."""
    random = np.random.default_rng(1)
    X = backend.asarray(random.random((32 * count, 6)), dtype)
    y = backend.asarray(np.eye(3)[random.integers(3, size=32 * count)], dtype)
    return [(X[k : k + 22, :], y[k : k + 22, :]) for k in range(0, 32 * count, 32)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_recorded_steps_have_the_bits_of_steps_by_actions(
    cupy: Backend, schedule: str, network: str, dtype: str
) -> None:
    by_plan, by_actions = (network_of(cupy, SCHEDULES[schedule], dtype, **NETWORKS[network]) for _ in range(2))
    by_actions.steps_are_as_written = lambda: False
    random = np.random.default_rng(3)
    for number, (X, y) in enumerate(batches(cupy, dtype, STEPS)):
        weights = row_weights(random.random(22) + 0.1, 22, dtype=dtype, backend=cupy) if number % 2 else None
        for each in (by_plan, by_actions):
            each.update_mini_batch(X, y, eta=0.1 * (number + 1), weights=weights)
    assert by_plan.count.calls == STEPS - 2
    assert by_actions.count.calls == 0
    assert same_bits(*(parameters_of(each) for each in (by_plan, by_actions)))
    assert by_plan.cost_total.value == by_actions.cost_total.value
    assert by_plan.cost_total.weight == by_actions.cost_total.weight == 22 * STEPS


@pytest.mark.parametrize(
    "change",
    [
        {"dropped_below": (2**31, 2**30, 2**30, 0)},
        {"cost": "cross-entropy", "error_activation": "identity"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_step_is_recorded_anew_after_a_change_of_what_it_is_made_from(cupy: Backend, change: dict[str, Any]) -> None:
    by_plan, by_actions = (network_of(cupy, SCHEDULES["plain"], "float32") for _ in range(2))
    by_actions.steps_are_as_written = lambda: False
    (X, y), *_ = batches(cupy, "float32", 1)
    for network in (by_plan, by_actions):
        for step in range(STEPS):
            if step == STEPS // 2:
                for name, value in change.items():
                    setattr(network, name, value)
            network.update_mini_batch(X, y, eta=0.1)
    assert by_plan.count.calls == STEPS - 2
    assert same_bits(*(parameters_of(each) for each in (by_plan, by_actions)))


def launches_of(plan: Any) -> list[tuple[Any, ...]]:
    """The launches with all their arguments, the addresses among them."""
    return [
        (launch.grid, launch.block, launch.kernel, *launch.arguments)
        if hasattr(launch, "grid")
        else tuple(n for n in launch.numbers if isinstance(n, int))
        for launch in plan.launches
    ]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_two_steps_have_the_same_launches_at_the_same_addresses(cupy: Backend, schedule: str) -> None:
    network = network_of(cupy, SCHEDULES[schedule])
    X, y = CASE.batch(cupy, "float32")
    for _ in range(2):
        network.update_mini_batch(X, y, eta=0.1)
    (plan,) = network.recorded.plans
    first, packed = launches_of(plan), plan._packed.copy()
    network.update_mini_batch(X, y, eta=0.2)
    assert network.recorded.plans == [plan]
    assert (plan._packed == packed).all()
    network._forget_steps()  # and is recorded anew
    for _ in range(2):
        network.update_mini_batch(X, y, eta=0.3)
    (again,) = network.recorded.plans
    assert again is not plan
    assert launches_of(again) == first


def test_recording_computes_nothing_and_allocates_nothing(cupy: Any) -> None:
    network = network_of(cupy, SCHEDULES["row blocks"])
    X, y = CASE.batch(cupy, "float32")
    network.update_mini_batch(X, y, eta=0.1)
    before, memory, count = parameters_of(network), cupy.device_memory(), network.count.actions
    with network.watching(22, 0.1) as rate:
        plan = cupy.record(lambda X, y: network.take_actions(X, y, rate), (X, y))
    assert len(plan) > 20
    assert same_bits(before, parameters_of(network))
    assert cupy.device_memory() == memory
    assert network.count.actions > count


def test_another_size_has_a_plan_of_its_own_and_a_larger_arena_has_new_ones(cupy: Backend) -> None:
    by_plan, by_actions = network_of(cupy), network_of(cupy)
    by_actions.steps_are_as_written = lambda: False
    X, y = CASE.batch(cupy, "float32")
    for rows in (9, 9, 9, 22, 22, 9, 22, 9):
        for network in (by_plan, by_actions):
            network.update_mini_batch(X[:rows, :], y[:rows, :], eta=0.1)
    assert by_plan.count.calls == 6
    assert len(by_plan.recorded.plans) == 2
    assert same_bits(*(parameters_of(network) for network in (by_plan, by_actions)))


class OwnCost(Network):
    """An override that every step has to call."""

    called = 0

    def cost_derivative(self, output_activations: Any, y: Any) -> Any:
        self.called += 1
        return output_activations - y


def test_steps_that_call_somebody_s_method_are_not_recorded(cupy: Backend) -> None:
    network = CASE.network(cupy, "float32", OwnCost)
    for _ in range(4):
        network.update_mini_batch(*CASE.batch(cupy, "float32"), eta=0.1)
    assert (network.called, network.count.calls, network.recorded.plans) == (4, 0, [])


@pytest.mark.parametrize(
    "more",
    [{"optimizer": "adam", "clip": 1.0}, {"checkpoint_every_nth_layer": 2, "offload": "host"}],
    ids=["clip", "offload"],
)
def test_steps_that_wait_or_copy_are_taken_by_actions(cupy: Backend, more: dict[str, Any]) -> None:
    if "clip" in more:
        network = network_of(cupy, optimizer=Adam(clip=more["clip"]))
    else:
        network = LONGER.network(cupy, "float32", NetworkWithCheckpointing, **more)
    for _ in range(4):
        network.update_mini_batch(*CASE.batch(cupy, "float32"), eta=0.1)
    assert (network.count.calls, network.recorded.plans) == (0, [])
    network.look(wait=True)


def test_a_launch_takes_few_calls_of_python_s(cupy: Backend) -> None:
    case = Case((6, *[8] * 30, 3), 12)
    network = case.network(cupy, "float32")
    X, y = case.batch(cupy, "float32")
    for _ in range(3):
        network.update_mini_batch(X, y, eta=0.1)
    (plan,) = network.recorded.plans
    calls = 0

    def note(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    with network.trusting_inputs():
        sys.setprofile(note)
        try:
            network.update_mini_batch(X, y, eta=0.1)
        finally:
            sys.setprofile(None)
    assert len(plan) > 150
    assert calls < 2 * len(plan)
