"""Mini-batches on a device ahead of their steps: the same bits, two held at once, and every wrong order shown."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from backend import Backend, select_backend
from mlp import ArrayBatches, ImageBatches, Network, NetworkError, train
from mlp.training.ahead import batches_ahead
from mlp.training.batches import Batches
from tests.conftest import backend_called, parameters_of, same_bits

LATE = bool(os.environ.get("CUPY_ON_HOST_LIB")) and os.environ.get("EMU_LATE", "1") != "0"
SIZES = (12, 9, 5)
N = 23


@pytest.fixture
def device() -> Iterator[Any]:
    """A CuPy backend, and nothing of an earlier test under way there."""
    backend = backend_called("cupy")
    backend.synchronize()
    yield backend
    backend.synchronize()


def host_data(kind: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    labels = random.integers(SIZES[-1], size=N)
    if kind == "images":
        return random.integers(0, 256, size=(N, SIZES[0])).astype(np.uint8), labels
    return random.random((N, SIZES[0])).astype(dtype), np.eye(SIZES[-1], dtype=dtype)[labels]


def batches_of(net: Network, kind: str) -> Batches:
    make = ImageBatches if kind == "images" else ArrayBatches
    return make(net, *host_data(kind, net.dtype))


def trained(backend: Backend, kind: str, dtype: str, **how: Any) -> list[np.ndarray]:
    net = Network(SIZES, dtype=dtype, backend=backend, activation="tanh", initialization="scaled")
    train(net, batches_of(net, kind), epochs=3, mini_batch_size=5, eta=0.5, **how)
    return parameters_of(net)


@pytest.mark.parametrize("kind", ["images", "arrays"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("first_step", [1, 3, 5])
@pytest.mark.gpu
def test_training_ends_with_the_bits_that_it_has_without(
    device: Any, kind: str, shuffle: bool, first_step: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = trained(device, kind, dtype, shuffle=shuffle, first_step=first_step)
    monkeypatch.setattr(type(device), "uploads", lambda self: None)
    assert same_bits(ahead, trained(device, kind, dtype, shuffle=shuffle, first_step=first_step))


@pytest.mark.parametrize("kind", ["images", "arrays"])
@pytest.mark.parametrize("rows", [slice(3, 9), np.array([5, 0, 22, 5])], ids=["slice", "numbers"])
def test_filling_gives_what_is_taken(kind: str, rows: Any, dtype: str) -> None:
    net = Network(SIZES, dtype=dtype)
    data: Any = batches_of(net, kind)
    X, y = data.take(rows)
    filled = np.empty_like(X), np.empty_like(y)
    data.fill(rows, *filled)
    assert same_bits(list(filled), [X, y])


@pytest.mark.gpu
def test_two_mini_batches_are_held_and_a_step_adds_nothing(device: Any) -> None:
    net = Network(SIZES, backend=device)
    before = device.device_memory().used_bytes
    batch = 2 * 512  # X and y, each within one allocation unit
    found = []

    def arena() -> int:
        return -(-net.buffers.arena_bytes // 512) * 512

    def update(X: Any, y: Any, eta: float) -> None:
        found.append(device.device_memory().used_bytes - before - arena())
        with device.measure() as usage:
            net.update_mini_batch(X, y, eta=eta)
        assert usage.end_bytes == 0

    train(net, batches_of(net, "images"), epochs=2, mini_batch_size=5, eta=0.1, update=update)
    assert found == [2 * batch, 2 * batch, 2 * batch, 2 * batch, batch] * 2
    assert device.device_memory().used_bytes == before + arena()


@pytest.mark.gpu
def test_training_given_up_leaves_nothing_under_way(device: Any) -> None:
    net = Network(SIZES, backend=device)
    before = device.device_memory().used_bytes

    def fail(X: Any, y: Any, eta: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(net, batches_of(net, "images"), epochs=1, mini_batch_size=5, eta=0.1, update=fail)
    assert device.device_memory().used_bytes == before
    a = device.empty((5, SIZES[0]), "float32")  # the memory of what was given up
    a[...] = 3
    device.synchronize()
    assert (device.to_numpy(a) == 3).all()


@pytest.mark.gpu
def test_data_on_the_device_is_taken_there(device: Any) -> None:
    net = Network(SIZES, backend=device)
    X, y = (device.asarray(x) for x in host_data("arrays", "float32"))
    taken = [number for number, _ in batches_ahead(net, ArrayBatches(net, X, y), [(1, slice(0, 5)), (2, slice(5, 9))])]
    assert taken == [1, 2]


def test_numpy_takes_nothing_ahead() -> None:
    assert select_backend("numpy").uploads() is None


@pytest.mark.gpu
@pytest.mark.parametrize(("wrong", "words"), [(-1, "from 0 on"), (SIZES[-1], "the largest label is")])
def test_labels_are_checked_on_the_host(device: Any, wrong: int, words: str) -> None:
    net = Network(SIZES, backend=device)
    images, labels = host_data("images", "float32")
    with pytest.raises(NetworkError, match=words):
        ImageBatches(net, images, np.where(np.arange(N) == 7, wrong, labels))


# Wrong orders


@pytest.fixture
def late(device: Any) -> Any:
    if not LATE:
        pytest.skip("only a stand-in for a GPU with EMU_LATE=1 makes copies late")
    return device


@pytest.mark.gpu
def test_step_that_does_not_wait_for_its_mini_batch_shows(late: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.cupy.uploads import CupyUploads
    from backend.uploads import Upload

    wanted, finish = trained(late, "images", "float32"), CupyUploads.finish

    def no_wait(self: Any, upload: Upload) -> tuple[Any, ...]:
        monkeypatch.setattr(self._copies, "computing_follows", lambda event=None: None)
        return finish(self, upload)

    monkeypatch.setattr(CupyUploads, "finish", no_wait)
    late.give_back()  # or the memory may hold the same mini-batch from before
    with np.errstate(all="ignore"):
        try:
            found = trained(late, "images", "float32")
        except RuntimeError as error:  # or NaN from memory that nobody has written to
            assert "not finite" in str(error)  # noqa: PT017
            return
    assert not same_bits(found, wanted)


@pytest.mark.gpu
@pytest.mark.parametrize("waits", [True, False])
def test_buffer_that_is_filled_before_its_last_copy_shows(
    late: Any, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    uploads = late.uploads()
    if not waits:
        monkeypatch.setattr(uploads, "_before_filling", lambda buffer: None)
    begun = [uploads.begin([(64,)], "float32", lambda place, value=value: place.fill(value)) for value in (1, 2, 3)]
    found = [late.to_numpy(*uploads.finish(upload)) for upload in begun]
    assert all((a == value).all() for a, value in zip(found, (1, 2, 3), strict=True)) == waits


@pytest.mark.gpu
@pytest.mark.parametrize("follows", [True, False])
def test_copy_that_does_not_wait_for_an_earlier_use_of_its_memory_shows(
    late: Any, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    uploads = late.uploads()
    a = late.empty((3000,), "float32")
    pointer = a.data.ptr
    a.data.memset_async(0, a.nbytes)  # under way when its memory is handed on
    del a
    if not follows:
        monkeypatch.setattr(uploads._copies, "follow_computing", lambda: None)
    upload = uploads.begin([(3000,)], "float32", lambda place: place.fill(5))
    uploads._copies.synchronize()
    (b,) = uploads.finish(upload)
    assert b.data.ptr == pointer
    assert (late.to_numpy(b) == 5).all() == follows
