"""Devices by number, and two of them in one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend import BackendUnavailable, select_backend
from tests.backend.cupy.saying import device_or_skip, say_why, stand_in

ROOT = Path(__file__).parents[3]


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


ONE_UNIT = """
import copy, pickle, sys
import cupy, numpy as np
from backend import select_backend
from checkpoint import NetworkWithCheckpointing, load
from mlp import Network
X, y = np.random.default_rng(0).random((6, 1), np.float32), np.ones((6, 1), np.float32)
nets = [
    NetworkWithCheckpointing(
        [1, 4, 1, 1], checkpoint_every_nth_layer=2, momentum=0.9, backend=backend, cost="binary-cross-entropy"
    )
    for backend in [select_backend("cupy", device=number) for number in (0, 1)]
]
for net in nets:
    on_device = [net.backend.asarray(a) for a in (X, y)]
    net.SGD(tuple(on_device), 2, 4, 0.1, early_stopping=1, validation_data=(X, y), label_smoothing=0.1)
    net.weights[1] = net.backend.to_numpy(net.weights[1]) * 2
    again = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    net.save("state")
    again.append(load("state", backend=net.backend))
    for other in (net, *again):
        other.update_mini_batch(X, y, eta=0.1)
        other.look(wait=True)
        assert {a.device.id for a in (*other.weights, *other.biases)} == {net.backend.device.id}
        assert other.backend.to_numpy(other.weights[1]).tobytes() == net.backend.to_numpy(net.weights[1]).tobytes()
assert nets[0].backend.to_numpy(nets[0].weights[0]).tobytes() == nets[1].backend.to_numpy(nets[1].weights[0]).tobytes()
assert cupy.cuda.runtime.getDevice() == 0
print("done")
"""

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


@pytest.mark.parametrize("program", [TWO_DEVICES, ONE_UNIT], ids=["each with its own bytes", "layers of one unit"])
def test_two_devices_train_side_by_side(program: str, tmp_path: Path) -> None:
    stand_in()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=os.environ | {"EMU_DEVICES": "2", "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{ROOT}"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
