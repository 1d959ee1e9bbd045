"""The memory that steps take and give back: never more than was predicted, and never the same array twice at once."""

import numpy as np
import pytest
from hypothesis import given

from backend import select_backend
from backend.numpy.meter import ArrayDomain
from checkpoint import NetworkWithCheckpointing, chain_of, every_nth, simulate, store_all
from mlp.buffers import Buffers
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
def test_steps_that_nobody_measures_stay_within_the_predicted_peak(case):
    network = case.network("numpy", "float32")
    X, y = case.host_batch("float32")
    predicted = simulate(store_all(n_layers=case.n_layers), chain_of(case.sizes, batch_size=case.batch_size))
    with Unseen() as domain:
        for rows in (case.batch_size, case.batch_size, max(1, case.batch_size // 2), case.batch_size):
            network.update_mini_batch(X[:rows], y[:rows], eta=0.01)
        assert domain.peak_bytes() <= predicted.peak_bytes


@given(case=cases())
def test_checkpointed_steps_that_nobody_measures_stay_within_the_predicted_peak(case):
    network = case.network("numpy", "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, y = case.host_batch("float32")
    with case.in_pieces():
        predicted = simulate(every_nth(n_layers=case.n_layers, n=2), network.chain(case.batch_size))
        with Unseen() as domain:
            for rows in (case.batch_size, case.batch_size, max(1, case.batch_size // 2), case.batch_size):
                network.update_mini_batch(X[:rows], y[:rows], eta=0.01)
            assert domain.peak_bytes() <= predicted.peak_bytes


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


def test_what_was_given_is_taken_again(buffers):
    a = buffers.take((3, 4))
    address = a.ctypes.data
    buffers.give(a)
    del a
    assert buffers.take((4, 3)).ctypes.data == address


def test_what_is_in_use_is_not_taken_again(buffers):
    a, b = buffers.take((3, 4)), buffers.take((3, 4))
    assert not np.shares_memory(a, b)


def test_nothing_is_kept_after_clear(buffers):
    with Unseen() as domain:
        buffers.give(buffers.take((3, 4)))
        assert domain.current_bytes() == 48
        buffers.clear()
        assert domain.current_bytes() == 0


def test_idle_arrays_go_before_one_of_a_new_size_would_exceed_the_most_in_use(buffers):
    with Unseen() as domain:
        buffers.give(buffers.take((100,)))
        a = buffers.take((60,))
        assert domain.current_bytes() == domain.peak_bytes() - 160 == 240
        del a
