"""Precision by name: what is refused, what each is off by, and that networks keep it when they are copied and saved."""

import copy
import pickle

import numpy as np
import pytest

from backend import BackendUnavailable, select_backend
from mlp import Network, NetworkError, TrainingError, load_state, read_state, save_state
from mlp.errors import StateWarning
from mlp.precision import PRECISIONS, ROUNDING, STORED, precision_of
from mlp.saving import environment
from tests.conftest import Case, backend_called, gradients_of, parameters_of, same_bits

CASES = [
    Case((12, 20, 16, 20, 5), 40, "sigmoid", seed=1),
    Case((12, 20, 16, 20, 5), 40, "tanh", "cross-entropy", seed=2),
    Case((9, 14, 14, 14, 14, 14, 14, 3), 33, "tanh", seed=3),
]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"precision": "tf32"}, "numpy multiplies float32 in full; leave tf32 out of precision, or choose cupy"),
        ({"precision": "tf32+float16"}, "leave tf32 out"),
        ({"precision": "half"}, "unknown precision 'half'; choose full, tf32, float16, bfloat16, tf32.float16 or tf32"),
        ({"precision": None}, "unknown precision None"),
        ({"precision": "float16", "dtype": "float64"}, "precision float16 is of float32 networks; got dtype float64"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, problem):
    with pytest.raises(NetworkError, match=problem) as refused:
        Network([4, 3, 2], **arguments)
    assert "\n" not in str(refused.value)


def test_backends_without_tf32_say_so():
    with pytest.raises(BackendUnavailable, match="numpy has no products in TF32"):
        select_backend("numpy").in_tf32()


def test_nothing_changes_unasked(backend):
    net = Network([4, 3, 2], backend=backend)
    assert (net.precision, net.stored, net.backend) == ("full", None, backend)


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("case", CASES, ids=["sigmoid", "cross-entropy", "seven layers"])
def test_gradients_are_off_by_no_more_than_is_said(backend, kind, case):
    X, y = case.batch(backend, "float32")
    full = gradients_of(case.network(backend, "float32"), X, y)
    half = gradients_of(case.network(backend, "float32", precision=kind), X, y)
    bound = 2 * case.n_layers * ROUNDING[kind]
    shares = [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(full, half, strict=True)]
    assert max(shares) <= bound
    assert max(shares) > ROUNDING[kind] / 16  # or nothing was kept in two bytes


@pytest.mark.parametrize("kind", STORED)
def test_gradients_are_those_of_rounded_activations(kind):
    """Central differences know nothing of rounding; the equations in float64, with the kept values, do."""
    case = CASES[0]
    X, y = case.host_batch("float32")
    net = case.network("numpy", "float32", precision=kind)
    got = gradients_of(net, X, y)
    from backend.halves import narrowed, widened

    kept, a = [X.astype(np.float64)], X.astype(np.float64)
    for k, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        a = 1 / (1 + np.exp(-(a @ W.astype(np.float64) + b)))
        if k < net.n_layers - 1:
            a = widened(narrowed(a.astype(np.float32), kind), kind).astype(np.float64)
        kept.append(a)
    delta = (kept[-1] - y) * kept[-1] * (1 - kept[-1])
    for k in range(net.n_layers - 1, -1, -1):
        np.testing.assert_allclose(got[k], kept[k].T @ delta, rtol=2e-4, atol=1e-6)
        delta = (delta @ net.weights[k].T.astype(np.float64)) * kept[k] * (1 - kept[k])


@pytest.mark.parametrize("kind", STORED)
def test_evaluation_is_in_full(kind):
    case = CASES[0]
    X, _ = case.host_batch("float32")
    outputs = [case.network("numpy", "float32", precision=precision).feedforward(X) for precision in ("full", kind)]
    assert same_bits([outputs[0]], [outputs[1]])


def test_infinite_outputs_are_not_hidden():
    net = Network([2, 3, 3, 1], activation="relu", precision="float16")
    net.weights[0] = np.full((2, 3), 1e38, np.float32)
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="finite"):
        net.update_mini_batch(np.full((4, 2), 9, np.float32), np.ones((4, 1), np.float32), eta=0.1)


def test_copies_and_states_keep_the_precision(tmp_path):
    net = CASES[0].network("numpy", "float32", precision="bfloat16")
    save_state(tmp_path / "net.state", net)
    loaded, _ = load_state(tmp_path / "net.state")
    X, y = CASES[0].host_batch("float32")
    others = [copy.deepcopy(net), pickle.loads(pickle.dumps(net)), loaded]  # noqa: S301
    net.update_mini_batch(X, y, eta=1.0)
    for other in others:
        other.update_mini_batch(X, y, eta=1.0)
        assert other.precision == "bfloat16"
        assert same_bits(parameters_of(other), parameters_of(net))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [name for name in PRECISIONS if "tf32" in name])
def test_products_in_tf32_have_a_handle_of_their_own(precision, tmp_path):
    backend = backend_called("cupy")
    net = CASES[0].network(backend, "float32", precision=precision)
    assert (net.backend.tf32, backend.tf32) == (True, False)
    assert copy.deepcopy(net).backend.tf32
    assert pickle.loads(pickle.dumps(net)).backend.tf32  # noqa: S301
    save_state(tmp_path / "net.state", net)
    assert load_state(tmp_path / "net.state", backend=backend)[0].backend.tf32
    with pytest.warns(StateWarning, match=r"saved at precision tf32\S*, which numpy does not have; here it is "):
        on_host, _ = load_state(tmp_path / "net.state")
    assert on_host.stored == net.stored
    X, y = CASES[0].batch(backend, "float32")
    net.update_mini_batch(X, y, eta=0.1)  # which the stand-in does in full


@pytest.mark.gpu
def test_cublas_and_its_variables_are_recorded(monkeypatch, tmp_path):
    for name in ("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    backend = backend_called("cupy")
    save_state(tmp_path / "net.state", Network([3, 2], backend=backend))
    then = read_state(tmp_path / "net.state").environment
    assert then["cublas"].count(".") == 2
    assert then["cublas variables"] == ""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    monkeypatch.setenv("CUBLAS_LOGINFO_DBG", "1")
    now = environment(backend)
    assert now["cublas variables"] == "NVIDIA_TF32_OVERRIDE=0 CUBLAS_WORKSPACE_CONFIG=:4096:8"


def test_each_name_says_what_it_is():
    said = {name: tuple(precision_of(name, dtype="float32", backend="cupy")) for name in PRECISIONS}
    assert said["full"] == (False, None)
    assert said["tf32"] == (True, None)
    assert said["tf32+bfloat16"] == (True, "bfloat16")
