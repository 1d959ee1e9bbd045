"""The memory that steps take and give back: never more than was predicted, and never the same array twice at once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import select_backend
from backend.numpy.meter import ArrayDomain
from checkpoint import NetworkWithCheckpointing, chain_of, every_nth, store_all
from checkpoint.schedule.placement import place
from mlp.buffers import Buffers, Places
from tests.conftest import Case, cases, gradients_of, parameters_of, same_bits


class Unseen:
    """Array bytes counted without `Backend.measure`, in whose blocks nothing is kept idle."""

    def __enter__(self) -> ArrayDomain:
        self._domain = ArrayDomain()
        self._domain.start()
        return self._domain

    def __exit__(self, *_: object) -> None:
        self._domain.stop()


@pytest.fixture
def buffers() -> Buffers:
    return Buffers(select_backend("numpy"), "float32")


@given(case=cases())
def test_steps_after_the_first_allocate_nothing(case):
    network = case.network("numpy", "float32")
    X, y = case.host_batch("float32")
    for rows in (case.batch_size, max(1, case.batch_size // 2)):
        network.update_mini_batch(X[:rows], y[:rows], eta=0.01)
    with Unseen() as domain:
        for rows in (case.batch_size, case.batch_size, max(1, case.batch_size // 2), case.batch_size):
            network.update_mini_batch(X[:rows], y[:rows], eta=0.01)
        assert domain.peak_bytes() == 0


@given(case=cases())
def test_steps_action_by_action_allocate_nothing_after_the_first(case):
    network = case.network("numpy", "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, y = case.host_batch("float32")
    with case.in_pieces(), network.observing(lambda *_: None):
        network.update_mini_batch(X, y, eta=0.01)
        with Unseen() as domain:
            for rows in (case.batch_size, case.batch_size, max(1, case.batch_size // 2), case.batch_size):
                network.update_mini_batch(X[:rows], y[:rows], eta=0.01)
            assert domain.peak_bytes() == 0


@given(case=cases())
def test_arena_of_plain_steps_takes_what_is_placed_for_keeping_all(metered, dtype, case):
    network = case.network(metered, dtype)
    of = {"dtype": dtype, "backend": metered.variant, "momentum": case.momentum}
    chain = chain_of(case.sizes, batch_size=case.batch_size, **of)
    with case.in_pieces():
        predicted = place(store_all(n_layers=case.n_layers), chain)
        with metered.measure() as usage:
            network.update_mini_batch(*case.batch(metered, dtype), eta=0.01)
    assert usage.arena_bytes == network.buffers.arena_bytes == predicted.arena_bytes == predicted.live_bytes


@given(case=cases())
def test_arena_is_that_of_the_plan_for_every_mini_batch(metered, case):
    network = case.network(metered, "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, y = case.batch(metered, "float32")
    with case.in_pieces():
        predicted = place(every_nth(n_layers=case.n_layers, n=2), network.chain(case.batch_size)).arena_bytes
        with metered.measure() as usage:
            network.update_mini_batch(X, y, eta=0.01)
        assert usage.arena_bytes == predicted
        for rows in (max(1, case.batch_size // 2), 1, case.batch_size):
            network.update_mini_batch(X[:rows, :], y[:rows, :], eta=0.01)
    assert network.buffers.arena_bytes == predicted


def test_step_that_nobody_measures_ends_in_the_bits_of_one_that_is_measured():
    case = Case((5, 4, 3), 6, momentum=0.5)
    networks = [case.network("numpy", "float32") for _ in range(2)]
    X, y = case.host_batch("float32")
    for _ in range(3):
        networks[0].update_mini_batch(X, y, eta=1.0)
        with networks[1].backend.measure():
            networks[1].update_mini_batch(X, y, eta=1.0)
    assert same_bits(*(parameters_of(network) for network in networks))


def test_gradients_in_hand_are_not_written_to_by_later_steps(backend):
    case = Case((5, 4, 3), 6)
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    held = list(network.backprop(X, y))
    before = [np.array(backend.to_numpy(gradient.weight)) for gradient in held]
    network.update_mini_batch(X, y, eta=1.0)
    gradients_of(network, X, y)
    assert same_bits(before, [backend.to_numpy(gradient.weight) for gradient in held])


def test_output_in_hand_is_not_written_to_by_later_steps(backend):
    case = Case((5, 4, 3), 6)
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    network.update_mini_batch(X, y, eta=1.0)
    output = network.feedforward(X)
    before = np.array(backend.to_numpy(output))
    network.update_mini_batch(X, y, eta=1.0)
    assert same_bits([before], [backend.to_numpy(output)])


def test_step_left_half_way_does_not_spoil_the_next(backend):
    case = Case((5, 4, 4, 3), 6)
    network, other = case.network(backend, "float32"), case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    abandoned = network.backprop(X, y)
    next(abandoned)
    for each in (network, other):
        each.update_mini_batch(X, y, eta=1.0)
    abandoned.close()
    for each in (network, other):
        each.update_mini_batch(X, y, eta=1.0)
    assert same_bits(parameters_of(network), parameters_of(other))


def test_two_steps_at_once_do_not_write_to_each_other_s_arrays(backend):
    case = Case((5, 4, 4, 3), 6)
    network = case.network(backend, "float32")
    X, y = case.batch(backend, "float32")
    network.update_mini_batch(X, y, eta=1.0)
    wanted = gradients_of(network, X, y)
    pairs = list(zip(network.backprop(X, y), network.backprop(X, y), strict=True))[::-1]
    for which in (0, 1):
        weights = [np.array(backend.to_numpy(pair[which].weight)) for pair in pairs]
        assert same_bits(weights, wanted[: case.n_layers])


def test_second_step_at_once_has_arrays_of_its_own(buffers):
    places = Places([12, 6], [0, 48], 72)
    first, second = buffers.begin(places), buffers.begin(places)
    a, b = first.take((3, 4)), second.take((3, 4))
    assert not np.shares_memory(a, b)
    first.end()
    assert np.shares_memory(buffers.begin(places).take((4, 3)), a)


def test_room_gives_each_array_its_place(buffers):
    room = buffers.begin(Places([12, 6, 12], [24, 0, 24], 72))
    a, b = room.take((3, 4)), room.take((6,))
    assert not np.shares_memory(a, b)
    assert a.ctypes.data == b.ctypes.data + 24
    room.give(a)
    assert room.take((4, 3)).ctypes.data == a.ctypes.data


def test_array_that_is_not_the_next_one_is_refused(buffers):
    room = buffers.begin(Places([12], [0], 48))
    with pytest.raises(AssertionError, match="an array of \\(3, 5\\) is taken where 12 values are placed"):
        room.take((3, 5))


def test_what_is_placed_is_measured_and_the_arena_is_not(metered):
    buffers = Buffers(metered, "float32")
    unit = metered.facts.allocation_bytes
    size = -(-48 // unit) * unit
    with metered.measure() as usage:
        room = buffers.begin(Places([12, 12], [0, 4096], 2**20))
        a = room.take((3, 4))
        b = room.take((12,))
        room.give(a)
        usage.mark()
        room.end()
        del a, b
    assert (usage.peak_bytes, usage.marks, usage.end_bytes) == (2 * size, [size], 0)
    assert usage.arena_bytes == 4096 + size


def test_arena_grows_and_never_shrinks(buffers):
    for size, wanted in ((100, 100), (40, 100), (200, 200), (100, 200)):
        buffers.begin(Places([], [], size)).end()
        assert buffers.arena_bytes == wanted


def test_without_the_arena_arrays_come_and_go(buffers):
    buffers.begin(Places([12], [0], 48)).end()
    with buffers.apart(), Unseen() as domain:
        assert buffers.arena_bytes == 0
        room = buffers.begin(Places([12], [0], 48))
        a = room.take((3, 4))
        assert domain.current_bytes() == 48
        room.give(a)
        del a
        assert domain.current_bytes() == 0


@given(case=cases(), rows=st.integers(1, 40))
def test_evaluation_lies_in_the_arena_where_it_fits_and_has_the_same_bits(case, rows):
    network, fresh = case.network("numpy", "float32"), case.network("numpy", "float32")
    network.update_mini_batch(*case.host_batch("float32"), eta=1.0)
    fresh.weights, fresh.biases = list(network.weights), list(network.biases)
    X = np.random.default_rng(1).random((rows, case.sizes[0]), "float32")
    network.feedforward(X)
    two = max(map(sum, pairwise((0, *case.sizes[1:-1]))), default=0)
    with Unseen() as domain:
        output = network.feedforward(X)
        if 4 * (rows * two + 16) <= network.buffers.arena_bytes:
            assert domain.peak_bytes() == output.nbytes
    assert same_bits([output], [fresh.feedforward(X)])


def test_evaluation_takes_the_rows_that_fit_in_the_arena_at_once(buffers):
    assert buffers.rows_at_once((10, 30, 20), most=5000) == 5000
    buffers.reserve(4 * (50 * 300 + 16))
    assert buffers.rows_at_once((10, 30, 20), most=5000) == 300
    assert buffers.rows_at_once((10, 30, 20), most=200) == 200
    assert buffers.rows_at_once((1000,), most=5000) == 128
    first, second, third = buffers.in_turns(300, (10, 30, 20))
    assert all(np.shares_memory(a, buffers.reserve(0)) for a in (first, second, third))
    assert not (np.shares_memory(first, second))
    assert not (np.shares_memory(second, third))
    assert np.shares_memory(first, third)
