"""Steps of the CuPy backend take the bytes predicted for them, at tolerance zero."""

from typing import Any

import numpy as np
import pytest

import mlp.pieces
from backend.cupy.backend import CupyBackend
from backend.errors import OutOfDeviceMemory
from checkpoint import (
    NetworkWithCheckpointing,
    Schedule,
    chain_of,
    every_nth,
    micro_batches,
    simulate,
    square_root,
    store_all,
)
from checkpoint.schedule.placement import place
from mlp import Network

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection", "no_limit")]

UNIT = CupyBackend.facts.allocation_bytes

STEPS = [
    ((3, 2), 1),
    ((7, 33, 1, 64, 5), 5),
    ((20, 50, 40, 30, 10), 33),
    ((12, 24, 24, 24, 24, 24, 24, 24, 24, 3), 13),
    ((6, 70, 9, 4), 300),
]
"""Sizes and batch sizes: widths that do and do not fill a unit of 512 bytes, and a batch of two pieces of the error."""


def network_and_batch(
    backend: CupyBackend, sizes: tuple[int, ...], rows: int, dtype: str, schedule: Schedule | None = None, **more: Any
) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    X = random.random((rows, sizes[0])).astype(dtype)
    y = np.eye(sizes[-1], dtype=dtype)[random.integers(0, sizes[-1], rows)]
    if schedule is None:  # all is kept, by way of the schedule's reader
        schedule = store_all(n_layers=len(sizes) - 1)
    net = NetworkWithCheckpointing(sizes, schedule=schedule, dtype=dtype, backend=backend, **more)
    return net, backend.asarray(X), backend.asarray(y)


def schedule_of(name: str, n_layers: int) -> Schedule:
    if name == "sqrt":
        return square_root(n_layers=n_layers)
    return store_all(n_layers=n_layers) if name == "none" else every_nth(n_layers=n_layers, n=int(name))


@pytest.fixture(params=[False, True], ids=["whole", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks as they are, which leave small layers whole, and so small that every layer has several."""
    if request.param:
        monkeypatch.setattr(mlp.pieces, "PIECE_FLOPS", 64)
        for kind in ("", "LARGE_"):
            monkeypatch.setattr(mlp.pieces, f"{kind}GRADIENT_ROWS", 16)
            monkeypatch.setattr(mlp.pieces, f"{kind}DELTA_ROWS", 10)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("sizes", "rows"), STEPS)
def test_a_plain_step_peaks_where_predicted(
    cupy_backend: CupyBackend, sizes: tuple[int, ...], rows: int, dtype: str
) -> None:
    _, X, y = network_and_batch(cupy_backend, sizes, rows, dtype)
    net = Network(sizes, dtype=dtype, backend=cupy_backend)
    with cupy_backend.measure() as usage:
        net.update_mini_batch(X, y, eta=0.5)
    predicted = simulate(
        store_all(n_layers=net.n_layers), chain_of(sizes, batch_size=rows, dtype=dtype, backend="cupy")
    )
    assert (usage.peak_bytes, usage.end_bytes) == (predicted.peak_bytes, 0)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("dtype", "cost", "momentum"),
    [("float32", "quadratic", 0.0), ("float32", "cross-entropy", 0.9), ("float64", "cross-entropy", 0.0)],
)
@pytest.mark.parametrize("strategy", ["2", "3", "sqrt"])
@pytest.mark.parametrize(("sizes", "rows"), STEPS)
def test_a_step_takes_the_bytes_predicted_after_each_action_and_gives_the_bits_of_a_plain_one(
    cupy_backend: CupyBackend, sizes: tuple[int, ...], rows: int, strategy: str, dtype: str, cost: str, momentum: float
) -> None:
    schedule = schedule_of(strategy, len(sizes) - 1)
    more: dict[str, Any] = {"cost": cost, "momentum": momentum}
    net, X, y = network_and_batch(cupy_backend, sizes, rows, dtype, schedule, **more)
    plain = Network(sizes, dtype=dtype, backend=cupy_backend, **more)
    of = {"dtype": dtype, "backend": "cupy", "momentum": momentum}
    predicted = simulate(schedule, chain_of(sizes, batch_size=rows, **of))
    for _ in range(2):
        with cupy_backend.measure() as usage, net.observing(lambda *_: usage.mark()):
            net.update_mini_batch(X, y, eta=0.5)
        assert usage.peak_bytes == predicted.peak_bytes
        assert usage.marks == list(predicted.bytes_after)
        assert usage.end_bytes == 0
        plain.update_mini_batch(X, y, eta=0.5)
    for ours, theirs in zip([*net.weights, *net.biases], [*plain.weights, *plain.biases], strict=True):
        assert cupy_backend.to_numpy(ours).tobytes() == cupy_backend.to_numpy(theirs).tobytes()


def test_a_step_allocates_in_no_other_pool(cupy_backend: CupyBackend) -> None:
    import cupy

    seen = []

    class Watch(cupy.cuda.MemoryHook):  # type: ignore[misc]
        def malloc_postprocess(self, *, mem_size: int, **_: Any) -> None:
            seen.append(mem_size)

    net, X, y = network_and_batch(cupy_backend, (20, 70, 50, 10), 33, "float32", every_nth(n_layers=3, n=2))
    with Watch():
        for _ in range(3):
            net.update_mini_batch(X, y, eta=0.5)
    assert seen == [place(every_nth(n_layers=3, n=2), net.chain(33)).arena_bytes]


@pytest.mark.parametrize("schedule", [every_nth(n_layers=3, n=2), micro_batches(n_layers=3, batch_size=33, rows=8)])
def test_training_fits_in_rest_and_the_arena_and_in_no_less(cupy_backend: CupyBackend, schedule: Schedule) -> None:
    net, X, y = network_and_batch(cupy_backend, (20, 70, 50, 10), 33, "float32", schedule)
    rest_bytes = cupy_backend.device_memory().used_bytes
    room = place(schedule, net.chain(33)).arena_bytes
    try:
        cupy_backend.limit_bytes = rest_bytes + room - 512
        with pytest.raises(OutOfDeviceMemory):
            net.update_mini_batch(X, y, eta=0.5)
        cupy_backend.limit_bytes = rest_bytes + room
        for _ in range(3):
            net.update_mini_batch(X, y, eta=0.5)
        assert cupy_backend.device_memory().used_bytes == rest_bytes + room
    finally:
        cupy_backend.limit_bytes = None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_training_agrees_with_numpy(cupy_backend: CupyBackend, activation: str, cost: str, dtype: str) -> None:
    sizes, more = (8, 24, 16, 4), {"activation": activation, "cost": cost, "initialization": "scaled"}
    net, X, y = network_and_batch(cupy_backend, sizes, 30, dtype, every_nth(n_layers=3, n=2), **more)
    host = Network(sizes, dtype=dtype, **more)
    for _ in range(5):
        net.update_mini_batch(X, y, eta=0.5)
        host.update_mini_batch(cupy_backend.to_numpy(X), cupy_backend.to_numpy(y), eta=0.5)
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
    for ours, theirs in zip([*net.weights, *net.biases], [*host.weights, *host.biases], strict=True):
        np.testing.assert_allclose(cupy_backend.to_numpy(ours), theirs, **close)
    assert net.evaluate(X, y) == host.evaluate(cupy_backend.to_numpy(X), cupy_backend.to_numpy(y))


# Rows of data


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_taken_within_our_pool(cupy_backend: CupyBackend, dtype: str) -> None:
    import cupy

    whole, rows = np.random.default_rng(0).random((40, 33)).astype(dtype), np.array([39, 0, 7, 7, 12])
    a = cupy_backend.asarray(whole)
    others = cupy.get_default_memory_pool()
    before = others.used_bytes(), others.total_bytes()
    with cupy_backend.measure() as usage:
        taken = cupy_backend.take_rows(a, rows)
    assert (others.used_bytes(), others.total_bytes()) == before
    assert usage.end_bytes == -(-taken.nbytes // UNIT) * UNIT
    assert usage.peak_bytes == usage.end_bytes + UNIT  # the rows' numbers
    assert np.array_equal(cupy_backend.to_numpy(taken), whole[rows])
    assert cupy_backend.is_row_major(taken)


def test_an_epoch_of_shuffled_device_data_uses_no_other_pool(cupy_backend: CupyBackend) -> None:
    import cupy

    others = cupy.get_default_memory_pool()
    before = others.used_bytes(), others.total_bytes()
    net, X, y = network_and_batch(cupy_backend, (20, 12, 10), 60, "float32")
    net.SGD((X, y), epochs=2, mini_batch_size=7, eta=0.5, test_data=(X, y))
    assert (others.used_bytes(), others.total_bytes()) == before


def test_a_step_over_the_limit_stops_and_the_next_one_works(cupy_backend: CupyBackend) -> None:
    net, X, y = network_and_batch(cupy_backend, (10, 40, 40, 5), 64, "float32")
    needed = simulate(store_all(n_layers=3), net.chain(64)).peak_bytes
    used = cupy_backend.device_memory().used_bytes
    cupy_backend.limit_bytes = used + needed - 1
    with pytest.raises(OutOfDeviceMemory):
        net.update_mini_batch(X, y, eta=1.0)
    assert cupy_backend.device_memory().used_bytes == used
    cupy_backend.limit_bytes = used + needed
    net.update_mini_batch(X, y, eta=1.0)
