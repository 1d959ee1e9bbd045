"""Training with checkpointing: the bits of plain backpropagation, in exactly the bytes predicted."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import (
    CheckpointError,
    Forward,
    NetworkWithCheckpointing,
    Release,
    Schedule,
    ScheduleError,
    chain_of,
    every_nth,
    segmented,
    simulate,
    square_root,
    store_all,
)
from mlp import Network, NetworkError
from tests.conftest import Case, cases, gradients_of, parameters_of, same_bits


@st.composite
def schedules(draw: st.DrawFn, n_layers: int) -> Schedule:
    """A schedule of each strategy that there is for whole mini-batches."""
    strategy = draw(st.sampled_from(("store all", "every n-th", "square root", "segmented")))
    if strategy == "store all":
        return store_all(n_layers=n_layers)
    if strategy == "every n-th":
        return every_nth(n_layers=n_layers, n=draw(st.integers(1, n_layers + 3)))
    if strategy == "square root":
        return square_root(n_layers=n_layers)
    inner = st.integers(1, n_layers - 1) if n_layers > 1 else st.nothing()
    return segmented(n_layers=n_layers, checkpoints=draw(st.sets(inner)))


@st.composite
def cases_and_schedules(draw: st.DrawFn) -> tuple[Case, Schedule]:
    case = draw(cases())
    return case, draw(schedules(case.n_layers))


def simulated(network: NetworkWithCheckpointing, schedule: Schedule, batch_size: int) -> Any:
    """The prediction, made from sizes and names alone."""
    of = {"dtype": network.dtype, "backend": network.backend.variant, "momentum": network.momentum}
    chain = chain_of(network.sizes, batch_size=batch_size, **of)
    return simulate(schedule, chain)


# The same bits


@given(drawn=cases_and_schedules())
def test_gradients_are_plain_ones_to_the_last_bit(backend, dtype, drawn):
    case, schedule = drawn
    X, y = case.batch(backend, dtype)
    network = case.network(backend, dtype, NetworkWithCheckpointing, schedule=schedule)
    assert same_bits(gradients_of(network, X, y), gradients_of(case.network(backend, dtype), X, y))


@given(case=cases(), n=st.integers(1, 10))
def test_gradients_of_every_nth_layer_are_plain_ones_to_the_last_bit(backend, dtype, case, n):
    X, y = case.batch(backend, dtype)
    network = case.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=n)
    assert same_bits(gradients_of(network, X, y), gradients_of(case.network(backend, dtype), X, y))


@given(drawn=cases_and_schedules(), mini_batch_size=st.integers(1, 13))
def test_trained_weights_are_plain_ones_to_the_last_bit(backend, dtype, drawn, mini_batch_size):
    case, schedule = drawn
    plain = case.network(backend, dtype)
    network = case.network(backend, dtype, NetworkWithCheckpointing, schedule=schedule)
    with case.in_pieces():
        for each in (plain, network):
            each.SGD(case.host_batch(dtype), epochs=2, mini_batch_size=min(mini_batch_size, case.batch_size), eta=0.01)
    assert same_bits(parameters_of(network), parameters_of(plain))


@given(case=cases(), n=st.integers(1, 10))
def test_trained_weights_of_every_nth_layer_are_plain_ones_to_the_last_bit(backend, dtype, case, n):
    plain = case.network(backend, dtype)
    network = case.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=n)
    for each in (plain, network):
        each.SGD(case.host_batch(dtype), epochs=2, mini_batch_size=min(4, case.batch_size), eta=0.01)
    assert same_bits(parameters_of(network), parameters_of(plain))


LARGE = Case((200, 512, 300, 300, 300, 10), 346)
"""A case whose backward steps work in blocks, by the constants as they are."""


def test_large_network_is_trained_to_the_bits_of_plain_backpropagation(backend, dtype):
    plain = LARGE.network(backend, dtype)
    network = LARGE.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    for each in (plain, network):
        each.SGD(LARGE.host_batch(dtype), epochs=1, mini_batch_size=300, eta=0.5)
    assert same_bits(parameters_of(network), parameters_of(plain))


def test_one_wrong_bit_is_noticed():
    case = Case((5, 4, 3), 6)
    first, second = (parameters_of(case.network("numpy", "float32")) for _ in range(2))
    assert same_bits(first, second)
    second[-1][0] = np.nextafter(second[-1][0], np.float32(9))
    assert not same_bits(first, second)


class RecomputesWithNoise(NetworkWithCheckpointing):
    """Each activation made comes out one unit in the last place larger than the time before."""

    times = 0

    def forward_between_checkpoints(self, a: Any, start: int, stop: int) -> list[Any]:
        (made,) = super().forward_between_checkpoints(a, start, stop)
        made.flags.writeable = True
        for _ in range(self.times):
            np.nextafter(made, np.float32(np.inf), out=made)
        self.times += 1
        return [made]


def test_recomputation_that_differs_is_noticed():
    case = Case((5, 4, 4, 4, 3), 6)
    X, y = case.host_batch("float32")
    wrong = case.network("numpy", "float32", RecomputesWithNoise, checkpoint_every_nth_layer=2)
    assert not same_bits(gradients_of(wrong, X, y), gradients_of(case.network("numpy", "float32"), X, y))


# The bytes predicted


@given(drawn=cases_and_schedules())
def test_measured_peak_is_the_predicted_one(metered, dtype, drawn):
    case, schedule = drawn
    network = case.network(metered, dtype, NetworkWithCheckpointing, schedule=schedule)
    X, y = case.batch(metered, dtype)
    with case.in_pieces():
        predicted = simulated(network, schedule, case.batch_size)
        with metered.measure() as usage:
            network.update_mini_batch(X, y, eta=0.01)
    assert usage.peak_bytes == predicted.peak_bytes
    assert usage.end_bytes == 0


@given(drawn=cases_and_schedules())
def test_measured_bytes_after_each_action_are_the_predicted_ones(metered, dtype, memory, drawn):
    case, schedule = drawn
    network = case.network(metered, dtype, NetworkWithCheckpointing, schedule=schedule)
    X, y = case.batch(metered, dtype)
    told = []

    def observe(position: int, action: object) -> None:
        usage.mark()
        told.append((position, action))

    with case.in_pieces():
        predicted = simulated(network, schedule, case.batch_size)
        with memory(network), metered.measure() as usage, network.observing(observe):
            network.update_mini_batch(X, y, eta=0.01)
    assert tuple(usage.marks) == predicted.bytes_after
    assert told == list(enumerate(schedule.actions))


@given(case=cases())
def test_measured_peak_of_plain_backpropagation_is_that_predicted_for_keeping_all(metered, dtype, memory, case):
    network = case.network(metered, dtype)
    X, y = case.batch(metered, dtype)
    of = {"dtype": dtype, "backend": metered.variant, "momentum": case.momentum}
    chain = chain_of(case.sizes, batch_size=case.batch_size, **of)
    with case.in_pieces():
        predicted = simulate(store_all(n_layers=case.n_layers), chain)
        with memory(network), metered.measure() as usage:
            network.update_mini_batch(X, y, eta=0.01)
    assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)


@given(drawn=cases_and_schedules())
def test_later_and_smaller_mini_batches_take_the_bytes_predicted_too(metered, memory, drawn):
    case, schedule = drawn
    network = case.network(metered, "float32", NetworkWithCheckpointing, schedule=schedule)
    X, y = case.batch(metered, "float32")
    measured, predicted = [], []
    for rows in (case.batch_size, max(1, case.batch_size - 3), case.batch_size):
        with memory(network), metered.measure() as usage:
            network.update_mini_batch(X[:rows, :], y[:rows, :], eta=0.01)
        measured.append(usage.peak_bytes)
        predicted.append(simulated(network, schedule, rows).peak_bytes)
    assert measured == predicted


@pytest.mark.parametrize("n", [1, 2, 3])
def test_measured_peak_of_a_large_network_is_the_predicted_one(n, metered, dtype, memory):
    network = LARGE.network(metered, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=n)
    X, y = LARGE.batch(metered, dtype)
    predicted = simulated(network, every_nth(n_layers=LARGE.n_layers, n=n), LARGE.batch_size)
    with memory(network), metered.measure() as usage:
        network.update_mini_batch(X, y, eta=0.01)
    assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)


class HoldsAnArrayTooLong(NetworkWithCheckpointing):
    """A stray reference to the last activation made: what the meter must notice."""

    def forward_between_checkpoints(self, a: Any, start: int, stop: int) -> list[Any]:
        self.stray = super().forward_between_checkpoints(a, start, stop)
        return list(self.stray)


def test_stray_reference_is_noticed_by_the_meter():
    case = Case((5, 4, 4, 4, 3), 6)
    network = case.network("numpy", "float32", HoldsAnArrayTooLong, checkpoint_every_nth_layer=2)
    predicted = simulated(network, every_nth(n_layers=4, n=2), 6)
    with network.buffers.apart(), network.backend.measure() as usage, network.observing(lambda *_: usage.mark()):
        network.update_mini_batch(*case.host_batch("float32"), eta=0.01)
    assert tuple(usage.marks) != predicted.bytes_after
    assert usage.end_bytes > 0


def test_observers_are_called_from_the_inside_out_and_only_in_their_block():
    network = CASE.network("numpy", "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    told: list[str] = []
    with network.observing(lambda *_: told.append("outer")):
        with network.observing(lambda *_: told.append("inner")):
            network.update_mini_batch(*CASE.host_batch("float32"), eta=1.0)
        assert told == ["inner", "outer"] * len(every_nth(n_layers=4, n=2))
        told.clear()
        network.update_mini_batch(*CASE.host_batch("float32"), eta=1.0)
        assert set(told) == {"outer"}
    told.clear()
    network.update_mini_batch(*CASE.host_batch("float32"), eta=1.0)
    assert told == []


def test_chain_of_a_network_is_that_of_its_sizes_and_backend(backend, dtype):
    network = Case((5, 4, 3), 6).network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    chain = network.chain(6)
    assert (chain.widths, chain.batch_size) == ((5, 4, 3), 6)
    assert chain.item_bytes == {"float32": 4, "float64": 8}[dtype]
    assert chain.allocation_bytes == backend.facts.allocation_bytes


# forward_between_checkpoints

CASE = Case((5, 4, 6, 3, 2), 7)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 4), (1, 3), (3, 4)])
def test_activations_between_checkpoints_are_those_of_the_forward_pass(start, stop, backend, dtype):
    network = CASE.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, _ = CASE.batch(backend, dtype)
    whole = [X, *network.forward_between_checkpoints(X, 0, 4)]
    part = network.forward_between_checkpoints(whole[start], start, stop)
    assert [tuple(a.shape) for a in part] == [(7, width) for width in CASE.sizes[start + 1 : stop + 1]]
    assert same_bits([backend.to_numpy(a) for a in part], [backend.to_numpy(a) for a in whole[start + 1 : stop + 1]])


def test_last_activation_between_checkpoints_is_the_network_s_output(backend, dtype):
    network = CASE.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, _ = CASE.batch(backend, dtype)
    *_, output = network.forward_between_checkpoints(X, 0, 4)
    assert same_bits([backend.to_numpy(output)], [backend.to_numpy(network.feedforward(X))])


def test_activations_between_checkpoints_are_new_arrays(backend, dtype):
    network = CASE.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, y = CASE.batch(backend, dtype)
    first = network.forward_between_checkpoints(X, 0, 4)
    before = [np.array(backend.to_numpy(a)) for a in first]
    network.forward_between_checkpoints(X, 0, 4)
    network.update_mini_batch(X, y, eta=1.0)
    assert same_bits([backend.to_numpy(a) for a in first], before)
    assert same_bits([backend.to_numpy(X)], [CASE.host_batch(dtype)[0]])


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (2, 1), (-1, 2), (0, 5), (4, 5), (4, 4)])
def test_layers_outside_the_network_are_refused(start, stop):
    network = CASE.network("numpy", "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    with pytest.raises(CheckpointError, match=f"0 <= start < stop <= 4; got {start} and {stop}"):
        network.forward_between_checkpoints(CASE.host_batch("float32")[0], start, stop)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (np.zeros((7, 5), np.float32), r"\(.*, 4\).*\(7, 5\)"),
        (np.zeros((7, 4), np.float64), "float32.*float64"),
        (np.zeros(4, np.float32), r"\(.*, 4\).*\(4,\)"),
    ],
    ids=["width", "dtype", "one dimension"],
)
def test_activation_that_does_not_fit_its_layer_is_refused(a, message):
    network = CASE.network("numpy", "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    with pytest.raises(NetworkError, match=message):
        network.forward_between_checkpoints(a, 1, 3)


def test_step_holds_no_more_forward_passes_than_its_schedule_has():
    ran = []

    class Counts(NetworkWithCheckpointing):
        def forward_between_checkpoints(self, a: Any, start: int, stop: int) -> list[Any]:
            ran.append((start, stop))
            return super().forward_between_checkpoints(a, start, stop)

    network = CASE.network("numpy", "float32", Counts, checkpoint_every_nth_layer=2)
    network.update_mini_batch(*CASE.host_batch("float32"), eta=1.0)
    layers = [action.layer for action in every_nth(n_layers=4, n=2) if isinstance(action, Forward)]
    assert ran == [(layer - 1, layer) for layer in layers]


def test_checkpointing_overrides_backprop_and_nothing_else_of_training():
    kinds = NetworkWithCheckpointing.mro()
    kinds = kinds[: kinds.index(Network)]
    own = {name for kind in kinds for name in vars(kind) if not name.startswith("_")}
    of_saving, of_planning, of_programs = (
        {"saved_arguments"},
        {"expect_batches"},
        {"steps_are_as_written", "works_in_row_blocks", "written_from", "write_step"},
    )
    assert own & set(dir(Network)) == {"backprop"} | of_saving | of_planning | of_programs


# Bad arguments


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give one of checkpoint_every_nth_layer, budget_bytes and schedule; got none"),
        ({"checkpoint_every_nth_layer": 2, "budget_bytes": 1000}, "give one of .*; got 2 of them"),
        ({"checkpoint_every_nth_layer": 2, "schedule": store_all(n_layers=2)}, "give one of .*; got 2 of them"),
        ({"budget_bytes": 1000, "schedule": store_all(n_layers=2)}, "give one of .*; got 2 of them"),
        (
            {"checkpoint_every_nth_layer": 2, "budget_bytes": 1000, "schedule": store_all(n_layers=2)},
            "give one of .*; got 3 of them",
        ),
        ({"checkpoint_every_nth_layer": 0}, "checkpoint_every_nth_layer must be a whole number, 1 or more; got 0"),
        ({"checkpoint_every_nth_layer": -2}, "checkpoint_every_nth_layer must be a whole number, 1 or more; got -2"),
        ({"checkpoint_every_nth_layer": 2.0}, "checkpoint_every_nth_layer must be a whole number, 1 or more; got 2.0"),
        ({"checkpoint_every_nth_layer": "2"}, "checkpoint_every_nth_layer must be a whole number, 1 or more; got '2'"),
        ({"budget_bytes": 0}, "budget.*got 0"),
        ({"budget_bytes": -1}, "budget.*got -1"),
        ({"budget_bytes": "32 apples"}, "budget_bytes: a number of bytes is written like 64MiB.*got '32 apples'"),
        ({"budget_bytes": 2.5}, "budget_bytes must be a whole number.*got 2.5"),
        ({"schedule": "every:2"}, "schedule.*got.*every:2"),
    ],
    ids=str,
)
def test_choice_that_makes_no_schedule_is_refused(given, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        NetworkWithCheckpointing([5, 4, 3], **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (store_all(n_layers=3), "the schedule is for 3 layers, the chain has 2"),
        (Schedule(2, (Forward(1), Forward(2), Release(1))), "layer 1 has not gone backward"),
        (Schedule(2, (Forward(2),)), "action 0, F2: a_1 is not held"),
    ],
    ids=["layers", "gradients", "input"],
)
def test_schedule_that_cannot_be_run_is_refused_when_the_network_is_made(schedule, message):
    with pytest.raises(ScheduleError, match=message):
        NetworkWithCheckpointing([5, 4, 3], schedule=schedule)


def test_mini_batch_larger_than_a_schedule_s_row_blocks_is_refused():
    actions = Schedule.from_json(store_all(n_layers=1).to_json().replace("F1", "F1[0:3]").replace("B1", "B1[0:3]"))
    network = NetworkWithCheckpointing([5, 3], schedule=Schedule(1, actions.actions, batch_size=3))
    with pytest.raises(ScheduleError, match="for 3 rows, the mini-batch has 4"):
        network.update_mini_batch(np.zeros((4, 5), np.float32), np.zeros((4, 3), np.float32), eta=1.0)


def test_row_blocks_of_no_batch_size_are_refused_where_they_leave_rows_out():
    actions = Schedule.from_json(store_all(n_layers=1).to_json().replace("F1", "F1[0:1]").replace("B1", "B1[0:1]"))
    X, y = np.zeros((4, 5), np.float32), np.zeros((4, 3), np.float32)
    with pytest.raises(ScheduleError):
        NetworkWithCheckpointing([5, 3], schedule=actions).update_mini_batch(X, y, eta=1.0)


@pytest.mark.parametrize("sizes", [[784], [4, 0, 3], [4, 2.5]])
def test_sizes_of_no_network_are_refused(sizes):
    with pytest.raises(NetworkError, match=r"layer|width|whole"):
        NetworkWithCheckpointing(sizes, checkpoint_every_nth_layer=2)


def test_arguments_of_the_network_are_checked_as_without_checkpointing():
    with pytest.raises(NetworkError, match="unknown activation 'swish'"):
        NetworkWithCheckpointing([4, 3], checkpoint_every_nth_layer=2, activation="swish")
    network = NetworkWithCheckpointing([5, 4, 3], checkpoint_every_nth_layer=2)
    with pytest.raises(NetworkError, match=r"X must be \(batch, 5\)"):
        network.update_mini_batch(np.zeros((2, 4), np.float32), np.zeros((2, 3), np.float32), eta=1.0)
