"""Steps in one call: the executor's bits for every schedule, who gets the executor, and how a program ends."""

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import BackendUnavailable
from checkpoint import NetworkWithCheckpointing, chain_of, every_nth, micro_batches, simulate
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.schedule.placement import place
from mlp import Network, TrainingError
from mlp.activations import ACTIVATIONS
from mlp.costs import COSTS
from tests.checkpoint.schedules import KINDS, a_chain, a_schedule
from tests.conftest import Case, parameters_of, same_bits

try:
    from backend.numpy.backend import NumpyBackend

    NumpyBackend()
except BackendUnavailable as error:
    pytestmark = pytest.mark.skip(reason=str(error))

CASE = Case((7, 6, 5, 6, 3), 11, activation="tanh")
EVERY_SECOND = {"checkpoint_every_nth_layer": 2}


def taken(network: Network) -> tuple[int, bool]:
    """The actions that were run one by one, and whether a program was."""
    return network.count.actions, network.count.calls > 0


def steps(networks: list[Any], case: Case, dtype: str, *, batches: tuple[int, ...], watched: Any) -> None:
    """The same steps by each network; those of the last one are `watched`, so that the executor takes them."""
    X, y = case.host_batch(dtype)
    for rows in batches:
        for network in networks:
            with watched(network) if network is networks[-1] else network.trusting_inputs():
                network.update_mini_batch(X[:rows], y[:rows], eta=0.3)


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(KINDS))
def test_program_has_the_executor_s_bits(seed, kind, dtype, tmp_path):
    random = Random(seed)
    chain = a_chain(random, most_layers=8, most_units=40)
    chain = chain_of(chain.widths, batch_size=random.choice((chain.batch_size, 131, 300)), dtype=dtype)
    schedule = a_schedule(random, chain, kind)
    cost = random.choice(COSTS if chain.widths[-1] > 1 else ("quadratic", "binary-cross-entropy"))
    case = Case(
        chain.widths,
        chain.batch_size,
        activation=random.choice(ACTIVATIONS),
        cost=cost,
        output_activation=random.choice((None, "identity", "softplus")) if cost == "quadratic" else None,
        momentum=random.choice((0.0, 0.5)),
        seed=seed,
        piece_sizes=random.choice((None, (1, 1, 1), (2, 40, 3), (4, 1, 256))),
    )
    options = {"schedule": schedule, "offload": tmp_path}
    networks = [case.network("numpy", dtype, NetworkWithCheckpointing, **options) for _ in range(2)]
    batches = case.batch_size, case.batch_size, max(1, case.batch_size - random.randint(0, 9)), case.batch_size
    with case.in_pieces():
        steps(networks, case, dtype, batches=batches, watched=lambda network: network.observing(lambda *_: None))
    assert same_bits(*map(parameters_of, networks))
    velocities = [[v for pair in network.velocities for v in pair] for network in networks]
    assert same_bits(*velocities)
    assert (taken(networks[0]), taken(networks[1])[1]) == ((0, True), False)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_plain_step_s_program_has_the_executor_s_bits(activation, momentum, dtype):
    case = Case((17, 30, 9, 4), 140, activation=activation, momentum=momentum)
    networks = [case.network("numpy", dtype) for _ in range(2)]
    steps(networks, case, dtype, batches=(140, 140, 33, 1), watched=lambda network: network.backend.measure())
    assert same_bits(*map(parameters_of, networks))
    assert (taken(networks[0]), taken(networks[1])) == ((0, True), (4 * 3, False))


def test_mini_batches_with_gaps_between_their_rows_are_read_where_they_lie():
    networks = [CASE.network("numpy", "float32", NetworkWithCheckpointing, **EVERY_SECOND) for _ in range(2)]
    X, y = CASE.host_batch("float32")
    wide = np.full((11, 20), np.nan, "float32")
    wide[:, 2:9], wide[:, 11:14] = X, y
    for _ in range(2):
        networks[0].update_mini_batch(X, y, eta=0.3)
        networks[1].update_mini_batch(wide[:, 2:9], wide[:, 11:14], eta=0.3)
    assert same_bits(*map(parameters_of, networks))
    assert taken(networks[1]) == (0, True)


def test_read_only_mini_batch_after_a_writeable_one_is_taken():
    network = CASE.network("numpy", "float32")
    X, y = CASE.host_batch("float32")
    network.update_mini_batch(X, y, eta=0.3)
    for array in (X, y):
        array.flags.writeable = False
    network.update_mini_batch(X, y, eta=0.3)
    assert network.count.calls == 2


# Who gets the executor


def overriding(name: str, base: type) -> type:
    """A subclass with a method of its own, which notes that it is called."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        self.called = name
        return getattr(super(kind, self), name)(*args, **options)

    kind = type("Overriding", (base,), {name: method, "called": ""})
    return kind


@pytest.mark.parametrize("name", ["backprop", "cost_derivative", "apply_gradient", "forward_layer", "to_output_delta"])
@pytest.mark.parametrize(("base", "how"), [(Network, {}), (NetworkWithCheckpointing, EVERY_SECOND)])
def test_method_of_a_subclass_is_called(name, base, how):
    plain, own = (CASE.network("numpy", "float32", kind, **how) for kind in (base, overriding(name, base)))
    for network in (plain, own):
        network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert own.called == name
    assert (taken(plain), taken(own)[1]) == ((0, True), False)
    if name != "cost_derivative":  # whose result is multiplied in another order
        assert same_bits(*map(parameters_of, (plain, own)))


def test_forward_between_checkpoints_of_a_subclass_is_called():
    kind = overriding("forward_between_checkpoints", NetworkWithCheckpointing)
    plain, own = (CASE.network("numpy", "float32", k, **EVERY_SECOND) for k in (NetworkWithCheckpointing, kind))
    for network in (plain, own):
        network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert own.called
    assert same_bits(*map(parameters_of, (plain, own)))


def test_arrays_of_a_subclass_s_own_are_used_in_the_place_of_the_arena_s():
    class Own(NetworkWithCheckpointing):
        def forward_between_checkpoints(self, a: Any, start: int, stop: int) -> list[Any]:
            return [np.array(made) for made in super().forward_between_checkpoints(a, start, stop)]

    plain, own = (CASE.network("numpy", "float32", k, **EVERY_SECOND) for k in (NetworkWithCheckpointing, Own))
    for _ in range(2):
        for network in (plain, own):
            network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert same_bits(*map(parameters_of, (plain, own)))


def test_method_set_on_a_network_is_called():
    network, calls = CASE.network("numpy", "float32"), []
    plain = network.new_activation
    network.new_activation = lambda layer, a: calls.append(layer) or plain(layer, a)
    network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert calls == [1, 2, 3, 4]


def test_optimizer_of_one_s_own_is_called():
    network, calls = CASE.network("numpy", "float32"), []

    class Own:
        state_names = ()

        def apply(self, backend: Any, w: Any, g: Any, state: Any, rate: float) -> None:
            calls.append(rate)

    network.optimizer = Own()
    network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert len(calls) == 8


@contextmanager
def open_backprop(network: Network) -> Iterator[None]:
    generator = network.backprop(*CASE.host_batch("float32"))
    next(generator)
    yield
    generator.close()


@pytest.mark.parametrize(
    "watching",
    [
        lambda network: network.observing(lambda *_: None),
        lambda network: network.backend.measure(),
        lambda network: network.buffers.apart(),
        open_backprop,
    ],
    ids=["observed", "measured", "without an arena", "another step is open"],
)
def test_step_that_is_watched_is_the_executor_s(watching):
    network = CASE.network("numpy", "float32", NetworkWithCheckpointing, **EVERY_SECOND)
    with watching(network):
        network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
        assert not network.count.calls
    network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert network.count.calls == 1


def test_verified_step_is_the_executor_s():
    network = VerifyingNetwork(CASE.sizes, **EVERY_SECOND)
    network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert taken(network) == (len(network.schedule_for(11)), False)


def test_frozen_weights_are_not_written_to():
    network = CASE.network("numpy", "float32")
    network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    network.weights[1].flags.writeable = False
    before = network.weights[1].copy()
    with pytest.raises(ValueError, match="read-only"):
        network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
    assert same_bits([before], [network.weights[1]])


def test_program_is_made_once_for_each_size_and_again_for_another_schedule():
    network = CASE.network("numpy", "float32", NetworkWithCheckpointing, budget_bytes=10**6)
    X, y = CASE.host_batch("float32")
    made: list[int] = []
    write = network.write_step
    network.write_step = lambda rows, records: made.append(rows) or write(rows, records)
    for rows in (11, 11, 5, 11, 5):
        network.update_mini_batch(X[:rows], y[:rows], eta=0.3)
    assert made == [11, 5]
    assert network.use_plan(every_nth(n_layers=4, n=2), batch_size=11)
    network.update_mini_batch(X, y, eta=0.3)
    assert made == [11, 5, 11]


# Numbers that are not finite


@pytest.mark.parametrize("how", [EVERY_SECOND, {"schedule": micro_batches(n_layers=4, batch_size=11, rows=4)}])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_bad_numbers_stop_the_program_where_they_stop_the_executor(layer, value, how):
    networks = [CASE.network("numpy", "float32", NetworkWithCheckpointing, **how) for _ in range(2)]
    messages = []
    for network in networks:
        network.weights[layer - 1][2, 1] = value
        before = parameters_of(network)
        with network.observing(lambda *_: None) if network is networks[1] else network.trusting_inputs():
            try:
                network.update_mini_batch(*CASE.host_batch("float32"), eta=0.3)
            except TrainingError as error:
                untouched = [*range(error.layer), *range(4, 4 + error.layer)]
                assert same_bits([before[k] for k in untouched], [parameters_of(network)[k] for k in untouched])
                messages.append(str(error))
            else:
                messages.append("")
    assert messages[0] == messages[1]
    assert same_bits(*map(parameters_of, networks))


def test_infinity_that_a_flat_activation_hides_is_found():
    case = Case((4, 3, 3, 2), 6, activation="relu", cost="cross-entropy")
    for how in ("program", "executor"):
        network = case.network("numpy", "float32")
        network.weights[0][...], network.biases[0][...] = 1e38, 1e38
        network.weights[1][...] = 0
        network.weights[1][0, 0] = -1
        before = parameters_of(network)
        watching = network.backend.measure() if how == "executor" else network.trusting_inputs()
        with watching, pytest.raises(TrainingError, match="the output of layer 1 is not finite any more") as caught:
            network.update_mini_batch(*case.host_batch("float32"), eta=0.3)
        assert caught.value.layer == 1
        assert same_bits(before, parameters_of(network))


# How programs end, and where they write


@pytest.mark.usefixtures("default_signals")
def test_interruption_between_slices_ends_a_step(monkeypatch):
    from backend.numpy.kernels import program

    monkeypatch.setattr(program, "SLICE_SECONDS", 0.002)
    case = Case((256, *[256] * 40, 10), 1024)
    network = case.network("numpy", "float32")
    X, y = case.host_batch("float32")
    network.update_mini_batch(X, y, eta=0.001)
    timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        timer.start()
        for _ in range(1000):
            network.update_mini_batch(X, y, eta=0.001)
    network.update_mini_batch(X, y, eta=0.001)


@pytest.mark.skipif(sys.platform == "win32", reason="asks the operating system for pages as POSIX does")
def test_steps_stay_in_their_arena():
    child = [sys.executable, "-c", "from tests.checkpoint.execution.test_programs import child; child()"]
    ended = subprocess.run(
        child, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[3], check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


def child() -> None:
    """Random steps whose arena ends at a page that cannot be touched: a step too far ends the process."""
    libc = ctypes.CDLL(None, use_errno=True)

    def guarded(self: Any, values: int, dtype: str) -> np.ndarray:
        size = values * np.dtype(dtype).itemsize
        room = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, room + mmap.PAGESIZE)
        guard = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + room
        assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
        return np.frombuffer(memory, dtype, values, room - size)

    NumpyBackend.arena = guarded
    random = Random(5)
    for turn in range(150):
        chain = a_chain(random, most_layers=6, most_units=200)
        chain = chain_of(chain.widths, batch_size=random.choice((chain.batch_size, 140)), dtype="float32")
        schedule = a_schedule(random, chain, random.choice([kind for kind in KINDS if kind != "offloaded"]))
        case = Case(chain.widths, chain.batch_size, seed=turn, momentum=random.choice((0.0, 0.9)))
        network = case.network("numpy", "float32", NetworkWithCheckpointing, schedule=schedule)
        predicted = place(schedule, network.chain(case.batch_size)).arena_bytes
        for rows in (case.batch_size, max(1, case.batch_size // 2)):
            X, y = case.host_batch("float32")
            network.update_mini_batch(X[:rows], y[:rows], eta=0.1)
            with network.observing(lambda *_: None):
                network.update_mini_batch(X[:rows], y[:rows], eta=0.1)
            assert network.buffers.arena_bytes == predicted, (network.buffers.arena_bytes, predicted)
        assert simulate(schedule, network.chain(case.batch_size)).peak_bytes <= predicted
    print("done")
