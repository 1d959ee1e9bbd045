"""Steps that offload: plain backpropagation's bits, the bytes predicted, and every wrong order shown to be wrong.

Copies that are as late as they may be bring a missing wait to light: on a stand-in for a GPU with EMU_LATE=1, and on
NumPy with an executor that copies nothing before it must.
"""

import ctypes
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import Backend, TransferError, select_backend
from backend.numpy.transfers import FileTransfers
from backend.places import open_transfers
from backend.transfers import Ticket, Transfers
from checkpoint import CheckpointError, Fetch, NetworkWithCheckpointing, Offload, Schedule, simulate, store_all
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.planning.planned import keeps_bits
from checkpoint.strategies.offloaded import Segment, offloaded_actions
from tests.checkpoint.offloading import LateExecutor, all_offloaded, place_for
from tests.checkpoint.schedule.test_simulation import written
from tests.conftest import Case, backend_called, cases, gradients_of, parameters_of, same_bits

LATE = bool(os.environ.get("CUPY_ON_HOST_LIB")) and os.environ.get("EMU_LATE", "1") != "0"
CASE = Case((6, 24, 16, 24, 16, 24, 5), 8, "tanh")


@pytest.fixture(params=["numpy", "numpy-readonly", pytest.param("cupy", marks=pytest.mark.gpu)], scope="session")
def offloading(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn that can offload."""
    return backend_called(request.param)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("offload")


def offloading_net(case: Case, backend: Backend, dtype: str, folder: Path, schedule: Schedule, **more: Any) -> Any:
    kind = more.pop("kind", NetworkWithCheckpointing)
    place = place_for(backend, folder)
    return case.network(backend, dtype, kind, schedule=schedule, offload=place, **more)


@given(case=cases())
def test_gradients_are_plain_ones_to_the_last_bit(offloading: Backend, dtype: str, folder: Path, case: Case) -> None:
    X, y = case.batch(offloading, dtype)
    net = offloading_net(case, offloading, dtype, folder, all_offloaded(case.n_layers))
    assert same_bits(gradients_of(net, X, y), gradients_of(case.network(offloading, dtype), X, y))


@given(case=cases(), recompute=st.booleans())
def test_measured_bytes_are_the_predicted_ones(
    offloading: Backend, dtype: str, folder: Path, case: Case, recompute: bool
) -> None:
    schedule = all_offloaded(case.n_layers)
    if recompute and case.n_layers > 3:
        text = " ".join(map(str, schedule.actions)).replace("P1 ", "F1 D1 P1 ")
        schedule = Schedule(case.n_layers, written(text))
    net = offloading_net(case, offloading, dtype, folder, schedule)
    X, y = case.batch(offloading, dtype)
    with case.in_pieces():
        predicted = simulate(schedule, net.chain(case.batch_size))
        with offloading.measure() as usage, net.observing(lambda *_: usage.mark()):
            net.update_mini_batch(X, y, eta=0.01)
    assert tuple(usage.marks) == predicted.bytes_after
    assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)
    assert net.transfers.asked_bytes == predicted.host_peak_bytes <= net.transfers.held_bytes
    assert (predicted.offloaded_bytes > 0) == (case.n_layers > 2)


BLOCK = {"numpy": 128, "cupy": 100}
"""Rows of a block: on NumPy bits are kept in whole chunks, on CuPy in none, so there they are compared by rounding."""


def mixed(n_layers: int, batch_size: int, rows: int) -> Schedule:
    """Checkpoints offloaded and kept in turns, segments of two layers, those that fetch in row blocks."""
    starts = [0, *range(2, n_layers, 2)]
    segments = [
        Segment(start, stop, bool(number % 2) and stop < n_layers, start if number % 4 else stop, rows, rows)
        for number, (start, stop) in enumerate(pairwise([*starts, n_layers]))
    ]
    actions = tuple(offloaded_actions(n_layers, batch_size, segments))
    return Schedule(n_layers, actions, "mixed", batch_size if rows < batch_size else None)


@pytest.mark.parametrize("blocks", [False, True], ids=["whole mini-batches", "row blocks"])
def test_mixes_of_kept_and_offloaded_checkpoints_keep_bits_and_bytes(
    offloading: Backend, folder: Path, blocks: bool
) -> None:
    case = Case((6, 24, 16, 24, 16, 24, 16, 24, 5), 300, "tanh", "cross-entropy", momentum=0.5)
    schedule = mixed(case.n_layers, case.batch_size, BLOCK[offloading.name] if blocks else case.batch_size)
    kinds = [type(action) for action in schedule]
    assert (kinds.count(Offload), kinds.count(Fetch)) == (1, 1)
    net, plain = (
        offloading_net(case, offloading, "float32", folder, schedule),
        case.network(offloading, "float32"),
    )
    X, y = case.batch(offloading, "float32")
    predicted = simulate(schedule, net.chain(case.batch_size))
    for measured in (True, False):  # action by action, and then by programs where there are such
        if measured:
            with offloading.measure() as usage, net.observing(lambda *_: usage.mark()):
                net.update_mini_batch(X, y, eta=0.5)
            assert tuple(usage.marks) == predicted.bytes_after
            assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)
            assert net.transfers.asked_bytes == predicted.host_peak_bytes > 0
        else:
            net.update_mini_batch(X, y, eta=0.5)
        plain.update_mini_batch(X, y, eta=0.5)
        if keeps_bits(schedule, net.chain(case.batch_size)):
            assert same_bits(parameters_of(net), parameters_of(plain))
        else:
            for a, b in zip(parameters_of(net), parameters_of(plain), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_blocks_are_kept_from_step_to_step(offloading: Backend, folder: Path) -> None:
    net = offloading_net(CASE, offloading, "float32", folder, all_offloaded(CASE.n_layers))
    plain = CASE.network(offloading, "float32")
    X, y = CASE.batch(offloading, "float32")
    held = set()
    for rows in (8, 8, 3, 8):
        for each in (net, plain):
            each.update_mini_batch(X[:rows, :], y[:rows, :], eta=0.5)
        held.add(net.transfers.held_bytes)
    assert len(held) == 1
    assert same_bits(parameters_of(net), parameters_of(plain))


def test_larger_batch_takes_larger_blocks(offloading: Backend, folder: Path) -> None:
    net = offloading_net(CASE, offloading, "float64", folder, all_offloaded(CASE.n_layers))
    X, y = CASE.batch(offloading, "float64")
    for rows in (2, 8):
        wanted = gradients_of(CASE.network(offloading, "float64"), X[:rows, :], y[:rows, :])
        assert same_bits(gradients_of(net, X[:rows, :], y[:rows, :]), wanted)
    assert net.transfers.asked_bytes == simulate(all_offloaded(CASE.n_layers), net.chain(8)).host_peak_bytes


def test_steps_given_up_leave_nothing_under_way(offloading: Backend, folder: Path) -> None:
    net = offloading_net(CASE, offloading, "float32", folder, all_offloaded(CASE.n_layers))
    X, y = CASE.batch(offloading, "float32")
    wanted = gradients_of(CASE.network(offloading, "float32"), X, y)
    for taken in range(CASE.n_layers):
        gradients = net.backprop(X, y)
        for _ in range(taken):
            next(gradients)
        del gradients
    assert same_bits(gradients_of(net, X, y), wanted)
    assert net.transfers.asked_bytes == simulate(all_offloaded(CASE.n_layers), net.chain(8)).host_peak_bytes


def test_verifying_network_accepts_offloading(offloading: Backend, folder: Path) -> None:
    net = offloading_net(CASE, offloading, "float32", folder, all_offloaded(CASE.n_layers), kind=VerifyingNetwork)
    plain = CASE.network(offloading, "float32")
    X, y = CASE.batch(offloading, "float32")
    for each in (net, plain, net, plain):
        each.update_mini_batch(X, y, eta=0.5)
    assert same_bits(parameters_of(net), parameters_of(plain))


# Where to


def test_numpy_needs_a_place() -> None:
    with pytest.raises(CheckpointError, match="numpy has no place of its own"):
        CASE.network("numpy", "float32", NetworkWithCheckpointing, schedule=all_offloaded(CASE.n_layers))


@pytest.mark.gpu
def test_cupy_offloads_to_the_host_unless_told(folder: Path) -> None:
    net = CASE.network(backend_called("cupy"), "float32", NetworkWithCheckpointing, schedule=all_offloaded(6))
    X, y = CASE.batch(net.backend, "float32")
    net.update_mini_batch(X, y, eta=0.5)
    assert net.transfers.asked_bytes > 0


def test_every_nth_layer_is_offloaded_where_a_place_is_given(folder: Path) -> None:
    net = CASE.network("numpy", "float32", NetworkWithCheckpointing, checkpoint_every_nth_layer=2, offload=folder)
    assert str(net.schedule_for(8)) == "F1 F2* O2 F3 F4* D2 P2 F5* F6 B6 B5 F3* B4 B3 F1* B2 B1"
    X, y = CASE.batch(net.backend, "float32")
    assert same_bits(gradients_of(net, X, y), gradients_of(CASE.network("numpy", "float32"), X, y))


def test_schedule_that_offloads_nothing_needs_no_place() -> None:
    assert CASE.network("numpy", "float32", NetworkWithCheckpointing, schedule=store_all(n_layers=6)).transfers is None


# Wrong orders


class NoWaitBeforeUse:
    def before_use(self, ticket: Ticket) -> None:
        ticket.pending = None


class NoWaitBeforeRelease:
    def before_release(self, ticket: Ticket) -> None:
        ticket.pending = None


@pytest.fixture
def late(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Backend, type[Transfers], dict[str, Any]]]:
    """A backend, its class of transfers, and what makes copies as late as they may be."""
    backend = backend_called(request.param)
    if request.param == "numpy":
        yield backend, FileTransfers, {"path": folder, "executor": LateExecutor()}
        return
    if not LATE:
        pytest.skip("only a stand-in for a GPU with EMU_LATE=1 makes copies late")
    from backend.cupy.transfers import CupyTransfers

    yield backend, CupyTransfers, {"backend": backend}


BOTH = pytest.mark.parametrize("late", ["numpy", pytest.param("cupy", marks=pytest.mark.gpu)], indirect=True)


def trained(backend: Backend, transfers: Transfers) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Parameters after two steps with these transfers, and plain backpropagation's."""
    plain = CASE.network(backend, "float32")
    schedule = all_offloaded(CASE.n_layers)
    net = CASE.network(backend, "float32", NetworkWithCheckpointing, schedule=schedule, offload=transfers)
    X, y = CASE.batch(backend, "float32")
    for each in (net, plain, net, plain):
        each.update_mini_batch(X, y, eta=0.5)
    return parameters_of(net), parameters_of(plain)


@BOTH
def test_late_copies_in_the_right_order_give_plain_s_bits(late: Any) -> None:
    backend, kind, how = late
    assert same_bits(*trained(backend, kind(**how)))


@BOTH
@pytest.mark.parametrize("omitted", [NoWaitBeforeUse, NoWaitBeforeRelease])
def test_missing_wait_shows(late: Any, omitted: type) -> None:
    backend, kind, how = late
    wrong = type("Wrong", (omitted, kind), {})
    with np.errstate(all="ignore"):
        assert not same_bits(*trained(backend, wrong(**how)))


@pytest.mark.gpu
class TestCopiesFollowComputing:
    """What is computed late, a fill on the computing stream, must come before the copies that are begun after it."""

    @pytest.fixture
    def transfers(self) -> Transfers:
        backend = backend_called("cupy")
        if not LATE:
            pytest.skip("only a stand-in for a GPU with EMU_LATE=1 makes copies late")
        return open_transfers(backend, "host")

    @pytest.mark.parametrize("follows", [True, False])
    def test_out(self, transfers: Any, follows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if not follows:
            monkeypatch.setattr(transfers._copies, "follow_computing", lambda: None)
        backend = select_backend("cupy")
        a = backend.zeros((64,), "float32")
        backend.synchronize()
        a.data.memset_async(77, a.nbytes)
        ticket = transfers.out(a)
        transfers._copies.synchronize()
        assert (ctypes.string_at(ticket.block.start, a.nbytes) == b"M" * a.nbytes) == follows

    @pytest.mark.parametrize("follows", [True, False])
    def test_back(self, transfers: Any, follows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        backend = select_backend("cupy")
        ticket = transfers.out(backend.asarray(np.ones(64, np.float32)))
        backend.synchronize()
        a = backend.empty((64,), "float32")
        a.data.memset_async(0, a.nbytes)  # an earlier use of this memory
        if not follows:
            monkeypatch.setattr(transfers._copies, "follow_computing", lambda: None)
        transfers.back(ticket, a)
        transfers._copies.synchronize()
        transfers.before_use(ticket)
        assert (backend.to_numpy(a) == 1).all() == follows

    def test_host_buffer_is_reused_after_its_last_copy(self, transfers: Any) -> None:
        backend = select_backend("cupy")
        a, b, back = (backend.asarray(np.full(64, value, np.float32)) for value in (1, 2, 0))
        ticket = transfers.out(a)
        transfers.back(ticket, back)
        other = transfers.out(b)
        assert other.block is ticket.block
        transfers.before_use(ticket)
        assert (backend.to_numpy(back) == 1).all()


# A copy that fails


def test_full_disk_is_an_error_and_the_next_step_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = offloading_net(CASE, select_backend("numpy"), "float32", folder, all_offloaded(CASE.n_layers))
    X, y = CASE.batch(net.backend, "float32")
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _no_room)
        with pytest.raises(
            TransferError, match=r"offloading to .* failed with 0 bytes there: No space left on device;"
        ):
            net.update_mini_batch(X, y, eta=0.1)
    assert same_bits(gradients_of(net, X, y), gradients_of(CASE.network(net.backend, "float32"), X, y))


@pytest.mark.parametrize("call", ["pwritev", "preadv"])
def test_failing_disk_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    net = offloading_net(CASE, select_backend("numpy"), "float32", folder, all_offloaded(CASE.n_layers))
    X, y = CASE.batch(net.backend, "float32")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _no_room)
        with pytest.raises(TransferError, match="No space left on device"):
            list(net.backprop(X, y))
    assert same_bits(gradients_of(net, X, y), gradients_of(CASE.network(net.backend, "float32"), X, y))


def _no_room(*_: object) -> int:
    raise OSError(28, os.strerror(28))
