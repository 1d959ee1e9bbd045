"""The CuPy backend's memory: its own pool, the meter, the limit, and steps that take the bytes predicted for them."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import mlp.pieces
from backend.cupy.backend import CupyBackend
from backend.cupy.detection import count_devices
from backend.errors import BackendError, BackendUnavailable, OutOfDeviceMemory
from checkpoint import NetworkWithCheckpointing, Schedule, chain_of, every_nth, simulate, square_root, store_all
from mlp import Network

pytestmark = pytest.mark.gpu

UNIT = CupyBackend.facts.allocation_bytes


@pytest.fixture
def cupy_backend() -> Iterator[CupyBackend]:
    try:
        count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")
    backend = CupyBackend()  # a device that answers and cannot compute is a failure
    gc.disable()  # what a failed step left in reference cycles is not to go within a measured block
    yield backend
    gc.enable()
    backend.limit_bytes = None


def kib(backend: CupyBackend, size: int) -> Any:
    """An array of so many KiB."""
    return backend.empty((256 * size,), "float32")


# The pool


def test_arrays_come_from_a_pool_of_our_own(cupy_backend: CupyBackend) -> None:
    import cupy

    others = cupy.get_default_memory_pool()
    before, used = others.used_bytes(), cupy_backend.device_memory().used_bytes
    held = [
        cupy_backend.empty((3, 5), "float64"),
        cupy_backend.zeros((200,), "float32"),
        cupy_backend.asarray(np.ones((4, 4), "float32")),
        cupy_backend.asarray([1, 2, 3], "float32"),
    ]
    assert others.used_bytes() == before
    assert cupy_backend.device_memory().used_bytes == used + 5 * UNIT
    del held
    assert cupy_backend.device_memory().used_bytes == used


def test_what_others_allocate_is_not_counted(cupy_backend: CupyBackend) -> None:
    import cupy

    with cupy_backend.measure() as usage:
        others = cupy.ones(1000)
        ours = kib(cupy_backend, 1)
        more_of_others = others + 1
    assert (usage.peak_bytes, usage.end_bytes) == (1024, 1024)
    del ours, more_of_others


def test_the_allocator_of_others_is_left_alone(cupy_backend: CupyBackend) -> None:
    import cupy

    before = cupy.cuda.get_allocator()
    cupy_backend.asarray(np.ones(3))
    kib(cupy_backend, 1)
    assert cupy.cuda.get_allocator() == before


def test_backends_of_a_device_share_its_pool(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        held = kib(CupyBackend(), 2)
    assert usage.end_bytes == held.nbytes


@pytest.mark.parametrize("shape", [(0,), (3, 0), (), (1,), (5, 7), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_new_arrays_are_row_major_of_the_dtype_asked(
    cupy_backend: CupyBackend, shape: tuple[int, ...], dtype: str
) -> None:
    for a in (cupy_backend.empty(shape, dtype), cupy_backend.zeros(shape, dtype)):
        assert (a.shape, cupy_backend.dtype_name(a), a.flags.c_contiguous) == (shape, dtype, True)
    assert not cupy_backend.to_numpy(a).any()


def test_arrays_come_back_as_they_went(cupy_backend: CupyBackend) -> None:
    whole = np.arange(42, dtype="float32").reshape(6, 7)
    for x in (whole, whole.T, whole[:, 2:5], whole[::-1, ::2], whole.astype("float64")):
        a = cupy_backend.asarray(x)
        assert a.dtype == x.dtype
        assert cupy_backend.owns(a)
        assert not cupy_backend.owns(x)
        assert np.array_equal(cupy_backend.to_numpy(a), x)
        assert np.array_equal(cupy_backend.to_numpy(a[1:, 1:]), x[1:, 1:])


def test_an_array_of_the_device_is_not_copied(cupy_backend: CupyBackend) -> None:
    a = kib(cupy_backend, 1)
    assert cupy_backend.asarray(a) is a
    assert cupy_backend.asarray(a, "float64") is not a


def test_slices_of_rows_and_columns_are_row_major(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.zeros((6, 8), "float32")
    assert all(cupy_backend.is_row_major(x) for x in (a, a[2:4, :], a[:, 3:5], a[:1, :], a[:, :1]))
    assert not any(cupy_backend.is_row_major(x) for x in (a.T, a[:, ::2], a[::-1, :]))


def test_protecting_does_nothing(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.zeros((2, 2), "float32")
    cupy_backend.protect(a)
    cupy_backend.apply_gradient_(a, a, 0.5)
    cupy_backend.release(a)


def test_device_memory_adds_up(cupy_backend: CupyBackend) -> None:
    import cupy

    cupy_backend.synchronize()
    before = cupy_backend.device_memory()
    ours, outside = kib(cupy_backend, 3000), cupy.cuda.Memory(2**20)
    after = cupy_backend.device_memory()
    assert after.used_bytes - before.used_bytes == ours.nbytes
    assert after.pool_bytes >= after.used_bytes
    assert after.outside_bytes - before.outside_bytes >= outside.size
    free, total = cupy.cuda.runtime.memGetInfo()
    assert after.total_bytes == total
    assert after.pool_bytes + after.outside_bytes + free == total
    assert after.free_bytes == free + after.pool_bytes - after.used_bytes


# The meter


def test_the_peak_is_the_most_at_any_moment(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        a = kib(cupy_backend, 3)
        b = kib(cupy_backend, 4)
        del a
        c = kib(cupy_backend, 2)
    assert (usage.peak_bytes, usage.end_bytes) == (7 * 1024, 6 * 1024)
    del b, c


def test_each_allocation_is_rounded_up_to_512_bytes(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        held = [cupy_backend.empty((size,), "float32") for size in (1, 128, 129, 256, 257)]
    assert usage.peak_bytes == (1 + 1 + 2 + 2 + 3) * UNIT
    del held


def test_marks_are_the_bytes_at_each_moment(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        usage.mark()
        a = kib(cupy_backend, 3)
        usage.mark()
        del a
        usage.mark()
        assert cupy_backend.measuring
    assert not cupy_backend.measuring
    usage.mark()  # after the block there is nothing to read
    assert usage.marks == [0, 3 * 1024, 0]


def test_blocks_may_be_nested(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as outer:
        a = kib(cupy_backend, 5)
        with cupy_backend.measure() as inner:
            b = kib(cupy_backend, 1)
            inner.mark()
            outer.mark()
            with cupy_backend.measure() as innermost:
                del a
                c = kib(cupy_backend, 2)
        d = kib(cupy_backend, 1)
    assert (outer.peak_bytes, outer.end_bytes, outer.marks) == (6 * 1024, 4 * 1024, [6 * 1024])
    assert (inner.peak_bytes, inner.end_bytes, inner.marks) == (1024, -2 * 1024, [1024])
    assert (innermost.peak_bytes, innermost.end_bytes) == (0, -3 * 1024)
    del b, c, d


def test_bytes_held_before_a_block_do_not_count(cupy_backend: CupyBackend) -> None:
    a = kib(cupy_backend, 8)
    with cupy_backend.measure() as usage:
        del a
        b = kib(cupy_backend, 2)
    assert (usage.peak_bytes, usage.end_bytes) == (0, -6 * 1024)
    del b


def test_a_block_that_fails_is_measured_and_closed(cupy_backend: CupyBackend) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 2 * 1024
    held = []
    with pytest.raises(OutOfDeviceMemory), cupy_backend.measure() as usage:  # noqa: PT012
        held.append(kib(cupy_backend, 2))
        held.append(kib(cupy_backend, 1))
    assert (usage.peak_bytes, usage.end_bytes) == (2 * 1024, 2 * 1024)
    held.clear()
    with cupy_backend.measure() as again:
        kib(cupy_backend, 1)
    assert (usage.peak_bytes, again.peak_bytes) == (2 * 1024, 1024)


# The limit


def test_an_allocation_past_the_limit_is_refused_with_the_numbers(cupy_backend: CupyBackend) -> None:
    used = cupy_backend.device_memory().used_bytes
    cupy_backend.limit_bytes = used + 10 * 1024
    held = kib(cupy_backend, 7)
    pool_bytes = cupy_backend.device_memory().pool_bytes
    with pytest.raises(OutOfDeviceMemory) as caught:
        cupy_backend.empty((1000,), "float32")
    error = caught.value
    assert isinstance(error, BackendError)
    assert isinstance(error, MemoryError)
    assert (error.asked_bytes, error.used_bytes, error.limit_bytes) == (4000, used + 7 * 1024, used + 10 * 1024)
    assert str(error) == (
        f"out of device memory: asked for 4,000 bytes with {used + 7 * 1024:,} in use, and the limit is "
        f"{used + 10 * 1024:,}; give a smaller budget, or shrink the batch"
    )
    assert cupy_backend.device_memory().pool_bytes == pool_bytes  # CUDA was not asked
    del held


def test_the_limit_itself_can_be_reached(cupy_backend: CupyBackend) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 3 * UNIT
    held = [cupy_backend.empty((1,), "float32") for _ in range(3)]
    with pytest.raises(OutOfDeviceMemory):
        cupy_backend.empty((1,), "float32")
    del held[0]
    held.append(cupy_backend.empty((1,), "float32"))


@pytest.mark.parametrize("make", [
    lambda backend: backend.asarray(np.ones(1000)),
    lambda backend: backend.asarray([1.0] * 1000, "float32"),
    lambda backend: backend.zeros((1000,), "float32"),
])  # fmt: skip
def test_the_limit_holds_for_every_way_to_make_an_array(
    cupy_backend: CupyBackend, make: Callable[[CupyBackend], Any]
) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 1024
    with pytest.raises(OutOfDeviceMemory):
        make(cupy_backend)


def test_a_limit_can_be_taken_back(cupy_backend: CupyBackend) -> None:
    cupy_backend.limit_bytes = 0
    with pytest.raises(OutOfDeviceMemory):
        kib(cupy_backend, 1)
    cupy_backend.limit_bytes = None
    kib(cupy_backend, 1)


def test_what_is_free_is_no_more_than_the_limit_leaves(cupy_backend: CupyBackend) -> None:
    unlimited = cupy_backend.device_memory()
    cupy_backend.limit_bytes = unlimited.used_bytes + 5000
    assert cupy_backend.device_memory().free_bytes == 5000
    cupy_backend.limit_bytes = 10 * unlimited.total_bytes
    assert cupy_backend.device_memory().free_bytes == unlimited.free_bytes
    cupy_backend.limit_bytes = 0
    assert cupy_backend.device_memory().free_bytes == 0


def test_what_no_array_uses_can_be_given_back(cupy_backend: CupyBackend) -> None:
    held = kib(cupy_backend, 3000)
    before = cupy_backend.device_memory().pool_bytes
    nbytes = held.nbytes
    del held
    cupy_backend.give_back()
    assert cupy_backend.device_memory().pool_bytes <= before - nbytes


@pytest.mark.parametrize("wrong", [-1, 1.5, "1MiB"])
def test_a_limit_that_is_none_is_refused(cupy_backend: CupyBackend, wrong: Any) -> None:
    with pytest.raises(ValueError, match="a limit is a whole number of bytes"):
        cupy_backend.limit_bytes = wrong


def test_a_full_device_says_what_it_has_left(cupy_backend: CupyBackend) -> None:
    total = cupy_backend.device_memory().total_bytes
    with pytest.raises(OutOfDeviceMemory) as caught:
        cupy_backend.empty((total,), "float32")
    error = caught.value
    assert (error.asked_bytes, error.limit_bytes) == (4 * total, None)
    assert error.free_bytes is not None
    assert f"asked for {4 * total:,} bytes" in str(error)
    assert f"the device has {error.free_bytes:,} free" in str(error)
    assert "\n" not in str(error)


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


# Steps

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
    predicted = simulate(schedule, chain_of(sizes, batch_size=rows, dtype=dtype, backend="cupy"))
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
    chain = chain_of(net.sizes, batch_size=33, backend="cupy")
    with Watch():
        net.update_mini_batch(X, y, eta=0.5)
    expected = [chain.activation_bytes(layer) for layer in (1, 2, 3, 1)]
    for layer in (3, 2, 1):
        n_in, n_out = chain.widths[layer - 1 : layer + 1]
        expected += [chain.array_bytes(n_out), chain.array_bytes(n_in * n_out)]
        expected += [chain.array_bytes(33 * n_in)] if layer > 1 else []
    assert sorted(seen) == sorted(expected)


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
