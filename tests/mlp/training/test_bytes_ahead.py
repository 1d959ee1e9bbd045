"""Images cross to a device in uint8 and become floats there: the host's bits, in a quarter of the bytes, counted."""

from typing import Any

import numpy as np
import pytest

from backend import Backend
from checkpoint import NetworkWithCheckpointing, chain_of, simulate
from checkpoint.planning.process import batches_bytes
from mlp import ArrayBatches, ImageBatches, Network, data, train
from mlp.data.values.convert import as_inputs
from mlp.data.values.reading import Reading
from mlp.data.values.scaling import Scaling
from mlp.training.ahead import batches_ahead
from mlp.training.batches import Batches, divisor_of
from mlp.training.samples import batches_of_part
from mlp.training.smoothing import SmoothedBatches
from mlp.training.validation import SomeBatches
from tests.conftest import backend_called, parameters_of, same_bits

SIZES = (300, 40, 5)
N = 47


@pytest.fixture
def device() -> Any:
    return backend_called("cupy")


def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    images = random.integers(0, 256, size=(N, SIZES[0])).astype(np.uint8)
    images[0, :256] = np.arange(256)  # every value
    return images, random.integers(SIZES[-1], size=N)


def network(backend: Backend | str, dtype: str = "float32", **more: Any) -> NetworkWithCheckpointing:
    more |= {"dtype": dtype, "backend": backend, "initialization": "scaled"}
    return NetworkWithCheckpointing(SIZES, checkpoint_every_nth_layer=1, **more)


@pytest.mark.gpu
@pytest.mark.parametrize("scaling", [None, Scaling(16.0)], ids=["255", "16"])
def test_mini_batches_are_the_host_s_to_the_last_bit(device: Any, dtype: str, scaling: Scaling | None) -> None:
    images, labels = images_and_labels()
    net = network(device, dtype)
    batches = ImageBatches(net, images, labels, scaling=scaling)
    wanted = as_inputs(images, dtype, scaling=scaling or Scaling())
    steps: list[tuple[int, Any]] = [(1, slice(0, 20)), (2, np.array([0, 46, 3])), (3, slice(20, N))]
    for number, (X, y) in batches_ahead(net, batches, steps):
        rows = steps[number - 1][1]
        taken, targets = batches.take(rows)
        assert str(X.dtype) == dtype
        assert device.to_numpy(X).tobytes() == wanted[rows].tobytes()
        assert device.to_numpy(taken).tobytes() == wanted[rows].tobytes()
        assert device.to_numpy(y).tobytes() == device.to_numpy(targets).tobytes()


@pytest.mark.gpu
@pytest.mark.parametrize("wrapped", ["", "smoothed", "some rows"])
def test_training_ends_with_the_bits_of_floats(device: Any, wrapped: str) -> None:
    images, labels = images_and_labels()

    def trained(floats: bool) -> list[np.ndarray]:
        net = network(device, cost="cross-entropy", activation="tanh")
        batches: Batches = ImageBatches(net, images, labels)
        if floats:
            batches = ArrayBatches(net, as_inputs(images), labels)
        if wrapped == "smoothed":
            batches = SmoothedBatches(net, batches, 0.1)
        elif wrapped:
            batches = SomeBatches(batches, np.arange(N)[::-2])
        assert (divisor_of(batches) is None) == floats
        train(net, batches, epochs=2, mini_batch_size=10, eta=0.1)
        return parameters_of(net)

    assert same_bits(trained(False), trained(True))


@pytest.mark.gpu
def test_bytes_held_are_those_predicted(device: Any, dtype: str) -> None:
    """Between steps, in them, and while a mini-batch becomes floats: no moment has more."""
    net, rows = network(device, dtype), 13
    before = device.device_memory().used_bytes
    found: list[int] = []

    def held() -> int:
        arena = -(-net.buffers.arena_bytes // 512) * 512
        return int(device.device_memory().used_bytes) - before - arena

    def update(X: Any, y: Any, eta: float) -> None:
        found.append(held())
        net.update_mini_batch(X, y, eta=eta)

    with device.measure() as usage:  # whose peak counts the arrays of a step, but not their arena
        train(net, ImageBatches(net, *images_and_labels()), epochs=1, mini_batch_size=rows, eta=0.1, update=update)
    chain = chain_of(SIZES, batch_size=rows, dtype=dtype, backend="cupy")
    both, floats = batches_bytes(chain, pixels=True), batches_bytes(chain)
    assert found[:2] == [both, both]  # later the shorter mini-batch is on its way, and then none
    assert all(size <= both for size in found)
    step = max(simulate(net.schedule_for(size), net.chain(size)).peak_bytes for size in (rows, N % rows))
    assert usage.peak_bytes <= both + step
    item = chain.item_bytes
    assert floats - both == pytest.approx(rows * SIZES[0] * (item - 1), abs=512)


@pytest.mark.gpu
def test_training_given_up_leaves_nothing_under_way(device: Any) -> None:
    net = network(device)
    before = device.device_memory().used_bytes
    batches = batches_ahead(net, ImageBatches(net, *images_and_labels()), [(k, slice(k, k + 9)) for k in range(3)])
    next(batches)
    batches.close()
    assert device.device_memory().used_bytes == before
    a = device.empty((9 * SIZES[0],), "float32")  # the memory of what was given up
    a[...] = 3
    device.synchronize()
    assert (device.to_numpy(a) == 3).all()


def test_on_numpy_bytes_become_floats_as_before() -> None:
    net = network("numpy")
    images, labels = images_and_labels()
    X, _ = ImageBatches(net, images, labels).take(slice(0, 9))
    assert X.tobytes() == as_inputs(images[:9]).tobytes()
    chain = chain_of(SIZES, batch_size=9)
    assert batches_bytes(chain, pixels=True) == batches_bytes(chain) == 4 * 9 * (SIZES[0] + SIZES[-1])


@pytest.mark.parametrize(
    ("scale", "divisor"), [(None, 255.0), ("255", 255.0), ("none", 1.0), ("standard", None), ("minmax", None)]
)
def test_divisor_is_that_of_the_scaling(tmp_path: Any, scale: str | None, divisor: float | None) -> None:
    images, labels = images_and_labels()
    np.savez(tmp_path / "set.npz", X=images, y=labels)
    dataset = data.load(tmp_path / "set.npz", reading=Reading(scale=scale))
    net = Network((SIZES[0], 4, dataset.outputs))
    batches = batches_of_part(net, dataset, "train")
    assert batches.divisor == divisor
    if divisor is not None:
        n_rows = len(batches)
        raw, y = np.empty((n_rows, SIZES[0]), np.uint8), np.empty((n_rows, dataset.outputs), "float32")
        batches.fill(slice(0, n_rows), raw, y)
        X, _ = batches.take(slice(0, n_rows))
        assert (raw.astype("float32") / np.float32(divisor)).tobytes() == X.tobytes()
