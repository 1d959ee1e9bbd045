"""PyTorch and Keras themselves read what is exported, and what they wrote is imported: outputs equal to 1e-6."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mlp import Network, export_weights, import_weights

SIZES = [6, 8, 8, 5]
X = np.random.default_rng(1).standard_normal((11, 6), dtype="float32")
HOW = {"activation": "tanh", "cost": "cross-entropy", "initialization": "scaled"}

KERAS = """
import sys, numpy as np, keras
from safetensors.numpy import load_file, save_file
X = np.load("x.npy")
layers = [keras.layers.Dense(n, activation=a) for n, a in ((8, "tanh"), (8, "tanh"), (5, "softmax"))]
model = keras.Sequential([keras.Input((6,)), *layers])
tensors = load_file("ours.safetensors")
for layer in model.layers:
    for weight in layer.weights:
        weight.assign(tensors[f"{layer.name}/{weight.name}"])
np.save("of_ours.npy", model.predict(X, verbose=0))
for layer in model.layers:
    for weight in layer.weights:
        weight.assign(weight * 1.5)
np.save("theirs.npy", model.predict(X, verbose=0))
host = keras.ops.convert_to_numpy
tensors = {f"{layer.name}/{weight.name}": host(weight) for layer in model.layers for weight in layer.weights}
save_file(tensors, "theirs.safetensors")
"""


def test_pytorch_s_sequential_of_linear_layers(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it comes with the extra bench")
    from safetensors.torch import load_file, save_file

    net, path = Network(SIZES, **HOW), tmp_path / "ours.safetensors"  # type: ignore[arg-type]
    layers = [torch.nn.Linear(*SIZES[:2]), torch.nn.Tanh(), torch.nn.Linear(*SIZES[1:3]), torch.nn.Tanh()]
    module = torch.nn.Sequential(*layers, torch.nn.Linear(*SIZES[2:]), torch.nn.Softmax(dim=1))
    other = tmp_path / "theirs.safetensors"
    save_file(module.state_dict(), other)
    with torch.no_grad():
        theirs = module(torch.from_numpy(X)).numpy()
        export_weights(path, net)
        module.load_state_dict(load_file(path))
        ours = module(torch.from_numpy(X)).numpy()
    assert np.abs(ours - net.feedforward(X)).max() < 1e-6
    assert np.abs(theirs - import_weights(other, **HOW).feedforward(X)).max() < 1e-6


@pytest.mark.skipif(
    not (find_spec("keras") and find_spec("torch")), reason="Keras or PyTorch is not installed; pip install keras torch"
)
def test_keras_s_dense_layers(tmp_path: Path) -> None:
    net = Network(SIZES, **HOW)  # type: ignore[arg-type]
    export_weights(tmp_path / "ours.safetensors", net, form="keras")
    np.save(tmp_path / "x.npy", X)
    environment = {**os.environ, "KERAS_BACKEND": "torch", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", KERAS], cwd=tmp_path, env=environment, check=True, capture_output=True)
    again = import_weights(tmp_path / "theirs.safetensors", **HOW)
    assert np.abs(np.load(tmp_path / "of_ours.npy") - net.feedforward(X)).max() < 1e-6
    assert np.abs(np.load(tmp_path / "theirs.npy") - again.feedforward(X)).max() < 1e-6
