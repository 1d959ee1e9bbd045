"""What is prepared for the next step by programs: whatever may change between two steps still takes effect."""

import gc
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from backend import BackendUnavailable
from checkpoint import NetworkWithCheckpointing, micro_batches
from mlp import Network, NetworkError, TrainingError
from mlp.optimizers import Adam, GradientDescent, Momentum
from tests.conftest import Case, parameters_of, same_bits

try:
    from backend.numpy.backend import NumpyBackend

    NumpyBackend()
except BackendUnavailable as error:
    pytestmark = pytest.mark.skip(reason=str(error))

CASE = Case((7, 6, 5, 3), 11, activation="tanh", momentum=0.5)


class Steps:
    """A network's steps, by programs or by actions, and what they take: to be changed between two steps."""

    def __init__(self, *, by_actions: bool) -> None:
        self.network, self.by_actions = CASE.network("numpy", "float32"), by_actions
        self.X, self.y = (x.copy() for x in CASE.host_batch("float32"))
        self.options: dict[str, Any] = {"eta": 0.3}

    def take(self, times: int) -> None:
        for _ in range(times):
            if self.by_actions:
                with self.network.backend.measure():
                    self.network.update_mini_batch(self.X, self.y, **self.options)
            else:
                self.network.update_mini_batch(self.X, self.y, **self.options)


def with_gaps(steps: Steps) -> None:
    wide = np.full((11, 20), np.nan, "float32")
    wide[:, 2:9] = steps.X
    steps.X = wide[:, 2:9]


def set_momentum(steps: Steps) -> None:
    steps.network.optimizer.momentum = 0.25


def set_optimizer(steps: Steps) -> None:
    steps.network.optimizer = GradientDescent()


def new_velocities(steps: Steps) -> None:
    """Blocks in another order: the biases' velocities lie before the weights'."""
    network = steps.network
    shapes = [a.shape for pair in network.velocities for a in reversed(pair)]
    arrays = network.backend.empties(shapes, "float32")
    for number, array in enumerate(arrays):
        array[...] = number / 100
    network.optimizer_state["velocity"] = tuple(zip(arrays[1::2], arrays[::2], strict=True))


def fewer_rows(steps: Steps) -> None:
    steps.X, steps.y = steps.X[2:9], steps.y[2:9]


def dropping(steps: Steps) -> None:
    steps.network.dropped_below = (2**31, 2**30, 0)


def set_cost(steps: Steps) -> None:
    steps.network.cost, steps.network.error_activation = "cross-entropy", "identity"


CHANGES: dict[str, Callable[[Steps], Any]] = {
    "rate": lambda steps: steps.options.update(eta=0.01),
    "momentum": set_momentum,
    "optimizer by its name": set_optimizer,
    "dropout": dropping,
    "cost": set_cost,
    "optimizer": lambda steps: steps.network.use_optimizer(Adam()),
    "back to momentum": lambda steps: steps.network.use_optimizer(Momentum(0.9)),
    "velocities": new_velocities,
    "rows": fewer_rows,
    "gaps between rows": with_gaps,
    "values in place": lambda steps: steps.X.__imul__(0.5),
    "weights of rows": lambda steps: steps.options.update(weights=np.arange(11.0)),
    "parameters": lambda steps: steps.network.weights.__setitem__(1, np.full((6, 5), 0.25)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_between_two_steps_takes_effect(change: str) -> None:
    prepared, reference = (Steps(by_actions=by_actions) for by_actions in (False, True))
    prepared.take(2)
    assert prepared.network.count.calls == 2
    CHANGES[change](prepared)
    prepared.take(2)
    reference.take(2)
    CHANGES[change](reference)
    reference.take(2)
    assert reference.network.count.calls == 0
    assert same_bits(*(parameters_of(steps.network) for steps in (prepared, reference)))
    assert prepared.network.mean_step_cost() == reference.network.mean_step_cost()


def test_arena_that_goes_and_comes_back_is_found_where_it_lies() -> None:
    prepared, reference = (Steps(by_actions=by_actions) for by_actions in (False, True))
    prepared.take(2)
    with prepared.network.buffers.apart():
        prepared.take(1)
    assert prepared.network.count.calls == 2
    prepared.take(1)
    reference.take(4)
    assert same_bits(*(parameters_of(steps.network) for steps in (prepared, reference)))


def test_arena_that_comes_back_smaller_is_large_enough() -> None:
    prepared, reference = (Steps(by_actions=by_actions) for by_actions in (False, True))
    for steps in (prepared, reference):
        steps.take(1)
        fewer_rows(steps)
        steps.take(1)  # in the arena of more rows
        with steps.network.buffers.apart():
            pass
        steps.take(1)
    assert prepared.network.count.calls == 3
    assert same_bits(*(parameters_of(steps.network) for steps in (prepared, reference)))


@pytest.mark.parametrize("which", ["the view", "the whole block"])
def test_array_that_may_not_be_written_to_any_more_is_not_written_to(which: str) -> None:
    steps = Steps(by_actions=False)
    steps.take(1)
    W = steps.network.weights[0]
    (W if which == "the view" else W.base).flags.writeable = False
    before = W.copy()
    try:
        steps.take(1)
    except ValueError:  # the executor's kernels refuse the view
        assert which == "the view"
        assert same_bits([W], [before])
    assert steps.network.count.calls == 1


@pytest.mark.parametrize("patched", ["the network", "its class"])
def test_method_replaced_between_two_steps_is_called(patched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, called = Steps(by_actions=False), []
    steps.take(2)
    plain = Network.forward_layer

    def own(self: Any, layer: int, a: Any, *, out: Any) -> Any:
        called.append(layer)
        return plain(self, layer, a, out=out)

    with monkeypatch.context() as patch:
        if patched == "its class":
            patch.setattr(Network, "forward_layer", own)
        else:
            patch.setattr(steps.network, "forward_layer", own.__get__(steps.network), raising=False)
        steps.take(1)
    assert called == [1, 2, 3]
    if patched == "its class":  # to a network, the context gives a method of its own back
        steps.take(1)
        assert steps.network.count.calls == 3


@pytest.mark.parametrize("around", ["a wrapper", "a mock"])
def test_method_that_is_wrapped_is_called(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrapper has all attributes of the method, and the mock has any."""
    steps, called, plain = Steps(by_actions=False), [], Network.forward_layer

    @wraps(plain)
    def own(self: Any, layer: int, a: Any, *, out: Any) -> Any:
        called.append(layer)
        return plain(self, layer, a, out=out)

    mock = Mock(side_effect=lambda layer, a, out: own(steps.network, layer, a, out=out))
    monkeypatch.setattr(Network, "forward_layer", own if around == "a wrapper" else mock)
    steps.take(1)
    assert called == [1, 2, 3]


@pytest.mark.parametrize("by_actions", [False, True])
@pytest.mark.parametrize("name", ["as_batch", "check_inputs"])
def test_method_that_looks_at_mini_batches_is_called(name: str, by_actions: bool) -> None:
    called: list[tuple[int, ...]] = []

    def own(self: Any, X: Any, *rest: Any) -> Any:
        called.append(tuple(X.shape))
        return getattr(Network, name)(self, X, *rest)

    network = CASE.network("numpy", "float32", type("Own", (Network,), {name: own}))
    with network.backend.measure() if by_actions else nullcontext():
        network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert called[0] == (11, 7)
    assert bool(network.count.calls) is not by_actions


def test_mini_batch_is_not_held_after_its_step() -> None:
    steps = Steps(by_actions=False)
    steps.take(2)
    arrays = [weakref.ref(array) for array in (steps.X, steps.y)]
    del steps.X, steps.y
    gc.collect()
    assert [array() for array in arrays] == [None, None]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 7, 10])
@pytest.mark.parametrize("how", ["plain", "row blocks", "by actions"])
def test_input_that_is_not_finite_is_named_and_nothing_changes(how: str, row: int, value: float) -> None:
    kind: Any = Network if how != "row blocks" else NetworkWithCheckpointing
    options = {"schedule": micro_batches(n_layers=3, batch_size=11, rows=4)} if how == "row blocks" else {}
    network = CASE.network("numpy", "float32", kind, **options)
    X, y = CASE.host_batch("float32")
    network.update_mini_batch(X, y, eta=0.3)
    before, cost = [a.copy() for a in parameters_of(network)], network.mean_step_cost()
    velocities = [v.copy() for pair in network.velocities for v in pair]
    wrong = X.copy()
    wrong[row, row % 7] = value
    refused = pytest.raises(NetworkError, match=r"^X holds a value that is not finite, NaN or infinite; remove it$")
    with refused, network.backend.measure() if how == "by actions" else nullcontext():
        network.update_mini_batch(wrong, y, eta=0.3)
    assert same_bits(before, parameters_of(network))
    assert same_bits(velocities, [v for pair in network.velocities for v in pair])
    assert (network.steps_trained, network.mean_step_cost(), network.velocities_are_spoilt) == (1, cost, False)
    network.update_mini_batch(X, y, eta=0.3)  # and it goes on


@pytest.mark.parametrize("by_actions", [False, True])
@pytest.mark.parametrize("rows", [4, 140])
def test_errors_whose_sum_overflows_change_nothing(rows: int, by_actions: bool) -> None:
    network = Network([2, 3], activation="identity", backend="numpy")
    before = parameters_of(network)
    X, y = np.ones((rows, 2), np.float32), np.full((rows, 3), -3e38, np.float32)
    with network.backend.measure() if by_actions else nullcontext(), pytest.raises(TrainingError, match="layer 1"):
        network.update_mini_batch(X, y, eta=0.1)
    assert same_bits(before, parameters_of(network))


def test_inputs_that_are_known_to_be_finite_are_not_looked_at() -> None:
    network = Case((4, 3, 2), 5, activation="relu").network("numpy", "float32")
    X, y = np.full((5, 4), np.inf, np.float32), np.zeros((5, 2), np.float32)
    with network.trusting_inputs(), pytest.raises(RuntimeError, match="output of layer 1"):
        network.update_mini_batch(X, y, eta=0.1)
    with pytest.raises(NetworkError, match="X holds"):
        network.update_mini_batch(X, y, eta=0.1)
