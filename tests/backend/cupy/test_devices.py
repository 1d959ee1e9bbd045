"""Devices by number, and two of them in one process."""

import os
import subprocess
import sys

import pytest

from backend import BackendUnavailable, select_backend
from tests.backend.cupy.saying import device_or_skip, say_why, stand_in


@pytest.mark.gpu
@pytest.mark.parametrize("number", [-1, 64])
def test_a_device_that_is_not_there_is_refused_with_how_many_are(number: int) -> None:
    count = device_or_skip()
    with pytest.raises(BackendUnavailable) as caught:
        select_backend("cupy", device=number)
    assert caught.value.reason == f"there is no CUDA device {number}"
    listed = "1 device, number 0" if count == 1 else f"{count} devices, numbers 0 to {count - 1}"
    assert caught.value.remedy == f"choose from {listed}"


@pytest.mark.parametrize("number", [0, 1])
def test_the_device_chosen_is_named(number: int) -> None:
    stand_in()
    name, device = say_why(EMU_DEVICES="2", device=number)
    assert name == f"CUDA device {number}, emucuda (host memory, no GPU)"
    assert device == f"<CUDA Device {number}>"


def test_the_second_of_two_devices_is_the_last() -> None:
    stand_in()
    assert say_why(EMU_DEVICES="2", device=2) == ["there is no CUDA device 2", "choose from 2 devices, numbers 0 to 1"]


TWO_DEVICES = """
import cupy, numpy as np
from backend import select_backend
from checkpoint import chain_of, simulate, store_all
from mlp import Network
X, y = np.random.default_rng(0).random((6, 5), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
backends = [select_backend("cupy", device=number) for number in (0, 1)]
nets = [Network([5, 8, 3], backend=backend) for backend in backends]
predicted = simulate(store_all(n_layers=2), chain_of([5, 8, 3], batch_size=6, backend="cupy")).peak_bytes
for backend, net in zip(backends, nets):
    with backends[0].measure() as first, backends[1].measure() as second:
        net.update_mini_batch(X, y, eta=1.0)
    of_batch = 2 * 512
    peaks = [predicted + of_batch, 0]
    assert [first.peak_bytes, second.peak_bytes] == (peaks if backend is backends[0] else peaks[::-1])
    assert {p.device.id for p in [*net.weights, *net.biases]} == {backend.device.id}
    assert cupy.cuda.runtime.getDevice() == 0
assert not backends[0].owns(nets[1].weights[0])
assert backends[0].to_numpy(nets[0].weights[0]).tobytes() == backends[1].to_numpy(nets[1].weights[0]).tobytes()
backends[0].limit_bytes = 0
assert backends[1].limit_bytes is None
print("done")
"""


def test_two_devices_train_side_by_side_each_with_its_own_bytes() -> None:
    stand_in()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TWO_DEVICES],
        env=os.environ | {"EMU_DEVICES": "2"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
