"""Schedules with row blocks, run: bytes exact, and gradients that differ by no more than the order of their sums."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import Action, Backward, Forward, NetworkWithCheckpointing, Release, Schedule, simulate, store_all
from mlp import Network
from tests.conftest import Case, ReadOnlyNumpy, cases, gradients_of, parameters_of, same_bits


def in_row_blocks(
    *, n_layers: int, checkpoints: Iterable[int], rows: list[int], batch_size: int, runs: list[int] | None = None
) -> Schedule:
    """Checkpoints are kept for the whole mini-batch; `rows[i]` rows at a time go through segment i and back.

    `runs[i]` rows at a time run to the end of segment i before that, into a checkpoint for all rows.
    """

    def run(start: int, stop: int, rows: tuple[int, int] | None) -> Iterator[Action]:
        for layer in range(start + 1, stop + 1):
            yield Forward(layer, rows, whole=rows is not None and layer == stop)
            if layer > start + 1:
                yield Release(layer - 1, rows)

    def actions() -> Iterator[Action]:
        starts = [0, *sorted(set(checkpoints))]
        segments = list(pairwise([*starts, n_layers]))
        for segment, (start, stop) in enumerate(segments[:-1]):
            if runs is None:
                yield from run(start, stop, None)
                continue
            for first in range(0, batch_size, runs[segment]):
                yield from run(start, stop, (first, min(first + runs[segment], batch_size)))
        for segment, (start, stop) in reversed(list(enumerate(segments))):
            held = stop if stop < n_layers else stop + 1  # the last segment's end is made block by block too
            for first in range(0, batch_size, rows[segment]):
                block = (first, min(first + rows[segment], batch_size))
                yield from (Forward(layer, block) for layer in range(start + 1, held))
                yield from (Backward(layer, block) for layer in range(stop, start, -1))

    return Schedule(n_layers, tuple(actions()), "row blocks", batch_size)


@st.composite
def cases_in_row_blocks(draw: st.DrawFn) -> tuple[Case, Schedule]:
    case = draw(cases(max_layers=6))
    inner = st.integers(1, case.n_layers - 1) if case.n_layers > 1 else st.nothing()
    checkpoints = draw(st.sets(inner))
    size = st.integers(1, case.batch_size)
    rows, runs = (draw(st.lists(size, min_size=len(checkpoints) + 1, max_size=len(checkpoints) + 1)) for _ in range(2))
    return case, in_row_blocks(
        n_layers=case.n_layers,
        checkpoints=checkpoints,
        rows=rows,
        batch_size=case.batch_size,
        runs=draw(st.sampled_from((None, runs))),
    )


def test_row_blocks_are_traced():
    schedule = in_row_blocks(n_layers=3, checkpoints=[2], rows=[4, 2], batch_size=4)
    assert " ".join(map(str, schedule)) == ("F1 F2 D1 F3[0:2] B3[0:2] F3[2:4] B3[2:4] F1[0:4] B2[0:4] B1[0:4]")


def test_checkpoints_in_row_blocks_are_traced():
    schedule = in_row_blocks(n_layers=3, checkpoints=[2], rows=[4, 4], batch_size=4, runs=[3])
    assert " ".join(map(str, schedule)) == (
        "F1[0:3] F2[0:3]+ D1[0:3] F1[3:4] F2[3:4]+ D1[3:4] F3[0:4] B3[0:4] F1[0:4] B2[0:4] B1[0:4]"
    )


@given(drawn=cases_in_row_blocks())
def test_gradients_are_plain_ones_up_to_rounding(backend, dtype, drawn):
    case, schedule = drawn
    X, y = case.batch(backend, dtype)
    plain = gradients_of(case.network(backend, dtype), X, y)
    network = case.network(backend, dtype, NetworkWithCheckpointing, schedule=schedule)
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    for gradient, wanted in zip(gradients_of(network, X, y), plain, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=tolerance * max(1, np.abs(wanted).max()))


@given(drawn=cases_in_row_blocks())
def test_measured_bytes_are_the_predicted_ones(metered, dtype, drawn):
    case, schedule = drawn
    network = case.network(metered, dtype, NetworkWithCheckpointing, schedule=schedule)
    X, y = case.batch(metered, dtype)
    with case.in_pieces():
        predicted = simulate(schedule, network.chain(case.batch_size))
        with metered.measure() as usage, network.observing(lambda *_: usage.mark()):
            network.update_mini_batch(X, y, eta=0.01)
    assert tuple(usage.marks) == predicted.bytes_after
    assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)


@given(drawn=cases_in_row_blocks(), fewer=st.integers(0, 12))
def test_smaller_last_mini_batch_is_trained_on_in_the_bytes_predicted(metered, drawn, fewer):
    case, schedule = drawn
    rows = max(1, case.batch_size - fewer)
    network = case.network(metered, "float32", NetworkWithCheckpointing, schedule=schedule)
    plain = case.network(metered, "float32")
    X, y = (x[:rows, :] for x in case.batch(metered, "float32"))
    predicted = simulate(schedule, network.chain(rows))
    with metered.measure() as usage:
        network.update_mini_batch(X, y, eta=0.01)
    plain.update_mini_batch(X, y, eta=0.01)
    assert usage.peak_bytes == predicted.peak_bytes
    for p, wanted in zip(parameters_of(network), parameters_of(plain), strict=True):
        np.testing.assert_allclose(p, wanted, rtol=0, atol=1e-5)


def with_whole_numbers(network: Network) -> None:
    """Give a network weights of -1, 0 and 1: with ReLU and such data all of a step is exact, in any order."""
    random = np.random.default_rng(9)
    for parameters in (network.weights, network.biases):
        for p in parameters:
            p[...] = network.backend.asarray(random.integers(-1, 2, size=p.shape), network.dtype)


EXACT = Case((3, 3, 3, 3, 3), 6, "relu")


@pytest.mark.parametrize("rows", [[6, 6], [1, 1], [2, 3], [4, 5], [5, 6]], ids=str)
@pytest.mark.parametrize("checkpoint", [1, 2, 3])
def test_gradients_of_whole_numbers_are_plain_ones_exactly(checkpoint, rows, backend, dtype):
    schedule = in_row_blocks(n_layers=4, checkpoints=[checkpoint], rows=rows, batch_size=6, runs=rows)
    network = EXACT.network(backend, dtype, NetworkWithCheckpointing, schedule=schedule)
    plain = EXACT.network(backend, dtype)
    random = np.random.default_rng(10)
    X, y = (backend.asarray(random.integers(-1, 2, size=(6, 3)), dtype) for _ in range(2))
    for each in (network, plain):
        with_whole_numbers(each)
    gradients, wanted = gradients_of(network, X, y), gradients_of(plain, X, y)
    assert all(np.array_equal(a, b) for a, b in zip(gradients, wanted, strict=True))
    assert any(gradient.any() for gradient in wanted[:4])


class ForgetsABlock(NetworkWithCheckpointing):
    """The first layer's last rows do not count: what the comparison must notice."""

    def add_backward_layer(self, layer: int, a: Any, delta: Any, *others: Any, **how: Any) -> None:
        if layer == 1 and a.shape[0] == 1:
            delta[...] = 0
        super().add_backward_layer(layer, a, delta, *others, **how)


def test_forgotten_rows_are_noticed():
    schedule = in_row_blocks(n_layers=4, checkpoints=[2], rows=[5, 6], batch_size=6)
    case = Case((3, 3, 3, 3, 3), 6, "tanh")
    X, y = case.host_batch("float64")
    wrong = case.network("numpy", "float64", ForgetsABlock, schedule=schedule)
    plain = case.network("numpy", "float64")
    pairs = list(zip(gradients_of(wrong, X, y), gradients_of(plain, X, y), strict=True))
    assert not np.allclose(*pairs[0])
    assert np.allclose(*pairs[3])


def test_row_blocks_of_all_rows_are_the_whole_to_the_last_bit(backend, dtype):
    case = Case((5, 4, 6, 3), 7)
    schedule = in_row_blocks(n_layers=3, checkpoints=[2], rows=[7, 7], batch_size=7)
    X, y = case.batch(backend, dtype)
    network = case.network(backend, dtype, NetworkWithCheckpointing, schedule=schedule)
    assert same_bits(gradients_of(network, X, y), gradients_of(case.network(backend, dtype), X, y))


def test_row_blocks_need_fewer_bytes_than_keeping_all_rows():
    network = NetworkWithCheckpointing([64] * 9, schedule=store_all(n_layers=8))
    chain = network.chain(2048)
    blocks = in_row_blocks(n_layers=8, checkpoints=[4], rows=[128, 128], batch_size=2048)
    assert simulate(blocks, chain).peak_bytes < simulate(store_all(n_layers=8), chain).peak_bytes / 3


# Protection


@given(drawn=cases_in_row_blocks())
def test_stored_activations_are_protected_and_come_back_unwritten(drawn):
    case, schedule = drawn
    backend = ReadOnlyNumpy()
    network = case.network(backend, "float32", NetworkWithCheckpointing, schedule=schedule)
    network.update_mini_batch(*case.host_batch("float32"), eta=0.01)
    assert not backend._checksums


def test_write_to_a_stored_activation_is_refused():
    backend = ReadOnlyNumpy()
    a = np.ones((2, 3), np.float32)
    backend.protect(a)
    with pytest.raises(ValueError, match="read-only"):
        a[0, 0] = 2
    W, bias = np.ones((3, 3), np.float32), np.empty(3, np.float32)
    with pytest.raises(ValueError, match="read-only"):
        backend.backward_layer_(a, W[:2], W, "sigmoid", first=0, weight=np.empty_like(W), bias=bias)
    backend.release(a)
    a[0, 0] = 2


def test_write_to_a_stored_activation_by_an_older_view_is_noticed():
    backend = ReadOnlyNumpy()
    a = np.ones((2, 3), np.float32)
    view = a[0, :]
    backend.protect(a)
    view[0] = 2
    with pytest.raises(AssertionError, match="was written to while it was protected"):
        backend.release(a)
