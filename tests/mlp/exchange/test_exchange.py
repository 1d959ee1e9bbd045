"""Weights to and from others: names and orientation as they have them, equal outputs, and hostile files refused."""

import contextlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save

from checkpoint import NetworkWithCheckpointing
from mlp import Network, NetworkError, StateError, export_weights, import_weights

SIZES = [5, 4, 4, 3]
X = np.random.default_rng(0).standard_normal((7, 5), dtype="float32")


def network(**arguments: Any) -> Network:
    return Network(SIZES, **{"activation": "tanh", "cost": "cross-entropy", "seed": 3, **arguments})


@pytest.mark.parametrize(
    ("form", "names", "turned"),
    [
        ("torch", ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"], True),
        (
            "keras",
            ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias", "dense_2/kernel", "dense_2/bias"],
            False,
        ),
    ],
)
def test_names_and_orientation_are_those_of_the_others(form, names, turned, tmp_path):
    net = network()
    assert export_weights(tmp_path / "w.safetensors", net, form=form) == names
    found = load_file(tmp_path / "w.safetensors")
    assert sorted(found) == sorted(names)
    for k, W in enumerate(net.weights):
        assert np.array_equal(found[names[2 * k]], W.T if turned else W)
        assert np.array_equal(found[names[2 * k + 1]], net.biases[k])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["torch", "keras"])
def test_what_is_exported_comes_back_to_the_bit(form, dtype, tmp_path):
    net, path = network(dtype=dtype), tmp_path / "w.safetensors"
    export_weights(path, net, form=form)
    again = import_weights(path, activation="tanh", cost="cross-entropy")
    assert (again.sizes, again.dtype) == (net.sizes, dtype)
    assert np.array_equal(again.feedforward(X.astype(dtype)), net.feedforward(X.astype(dtype)))


def test_network_that_checkpoints_takes_weights_too(tmp_path):
    export_weights(tmp_path / "w.safetensors", network())
    planned = import_weights(
        tmp_path / "w.safetensors", kind=NetworkWithCheckpointing, budget_bytes="100%", activation="tanh"
    )
    assert isinstance(planned, NetworkWithCheckpointing)
    assert np.array_equal(planned.weights[1], network().weights[1])


def test_layers_of_more_than_ten_come_back_in_their_order(tmp_path):
    net = Network([3, *[2] * 12, 4])
    for form in ("torch", "keras"):
        export_weights(tmp_path / "w.safetensors", net, form=form)
        again = import_weights(tmp_path / "w.safetensors")
        assert all(np.array_equal(W, V) for W, V in zip(net.weights, again.weights, strict=True))


def test_layer_without_biases_gets_zeros_and_half_precision_is_widened(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(save({"fc.0.weight": np.ones((3, 5), "float16"), "fc.2.weight": np.ones((2, 3), "float16")}))
    again = import_weights(path)
    assert (again.sizes, again.dtype) == ((5, 3, 2), "float32")
    assert not any(b.any() for b in again.biases)


# What is refused, each in one line


def raw(header: Any, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


W, B = np.ones((3, 5), "float32"), np.ones(3, "float32")
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no safetensors file"),
    "text": (b"these are no weights at all, but text", "no safetensors file"),
    "a header of exbibytes": (struct.pack("<Q", 2**63), "no safetensors file"),
    "a header that is cut": (raw({})[:-1], "no safetensors file"),
    "a header of nested lists": (raw(b"[" * 100_000), "no safetensors file"),
    "a tensor longer than the file": (
        raw({"0.weight": {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**64 - 1]}}),
        "no safetensors file",
    ),
    "a pickle": (b"\x80\x04\x95" + b"\0" * 50, "no safetensors file"),
    "no tensors": (save({}), "holds no weights of dense layers"),
    "other tensors": (save({"conv.filter": W}), "found 'conv.filter'"),
    "a statistic": (save({"0.weight": W, "0.bias": B, "0.running_mean": B}), "holds '0.running_mean'"),
    "one dimension": (save({"0.weight": B}), r"'0.weight' has shape (3,); wanted that of a dense layer, (out, in)"),
    "a convolution": (save({"a/kernel": np.ones((3, 3, 1, 2), "float32")}), "wanted that of a dense layer, (in, out)"),
    "no rows": (save({"0.weight": np.ones((0, 5), "float32")}), "has shape (0, 5)"),
    "a bias that does not fit": (save({"0.weight": W, "0.bias": np.ones(5, "float32")}), "wanted (3,)"),
    "layers that do not fit": (save({"0.weight": W, "1.weight": W}), "takes 5 inputs where the layer before it has 3"),
    "whole numbers": (save({"0.weight": W.astype("int64")}), "holds values of I64; wanted F16, F32, F64"),
    "infinity": (save({"0.weight": W * np.inf}), "'0.weight' holds a value that is not finite"),
    "a name that rings": (save({"\x1b[31m\n.running": W}), "holds no weights of dense layers"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused_in_one_line(name, tmp_path):
    content, said = BAD[name]
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(StateError) as caught:
        import_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_value_that_float32_does_not_have_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(save({"0.weight": np.full((2, 2), 1e300)}))
    assert import_weights(path).dtype == "float64"
    with pytest.raises(StateError, match="not finite in float32"):
        import_weights(path, dtype="float32")


@given(st.integers(0, 400), st.integers(0, 255))
def test_changed_byte_is_refused_or_read(at, value):
    content = bytearray(save({"0.weight": W, "0.bias": B}))
    content[at % len(content)] = value
    path = Path("changed.safetensors")
    path.write_bytes(content)
    with contextlib.suppress(StateError, NetworkError):  # any other error fails this test
        assert np.isfinite(import_weights(path).weights[0]).all()
    path.unlink()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing.safetensors", "No such file"),
        (".", "found a folder"),
        ("pipe", "pipe, socket or device"),
        (3, "a path"),
    ],
)
def test_what_is_no_file_is_refused_before_it_is_opened(path, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(StateError, match=said):
        import_weights(path)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda path: export_weights(path, network(), form="onnx"),
            NetworkError,
            "unknown form 'onnx'; choose torch or",
        ),
        (lambda path: export_weights(path / "no" / "w", network()), StateError, "cannot be written"),
        (lambda path: export_weights(path, network()), StateError, "cannot be written"),  # a folder
    ],
)
def test_export_that_cannot_be_is_refused(call: Callable[[Path], Any], error, said, tmp_path):
    with pytest.raises(error, match=said):
        call(tmp_path)


def test_weights_that_are_not_finite_are_not_exported(tmp_path):
    net, path = network(), tmp_path / "w.safetensors"
    net.weights[0][0, 0] = np.nan
    with pytest.raises(StateError, match=r"0\.weight would hold a value that is not finite"):
        export_weights(path, net)
    assert not path.exists()


def test_without_the_library_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(StateError, match=r"pip install 'mlp-checkpointing\[safetensors\]'"):
        export_weights(tmp_path / "w.safetensors", network())
