"""Copies of a network: by deepcopy, pickle and joblib, with the same values, and on their own from there on."""

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import open_transfers, select_backend
from checkpoint import CheckpointError, NetworkWithCheckpointing
from checkpoint.strategies.offloaded import every_nth_offloaded
from mlp import Network, NetworkError
from tests.conftest import Case, parameters_of, same_bits

CASE = Case((5, 4, 3), 6, "tanh", "cross-entropy", momentum=0.9, seed=2)


def by_joblib(network: Any) -> Any:
    joblib = pytest.importorskip("joblib")
    file = io.BytesIO()
    joblib.dump(network, file)
    file.seek(0)
    return joblib.load(file)


def by_pickle(network: Any) -> Any:
    return pickle.loads(pickle.dumps(network))  # noqa: S301


each_way = pytest.mark.parametrize("make_copy", [copy.deepcopy, copy.copy, by_pickle, by_joblib])


def trained(backend: Any, dtype: str, steps: int) -> Network:
    network = CASE.network(backend, dtype)
    for _ in range(steps):
        network.update_mini_batch(*CASE.batch(backend, dtype), eta=0.1)
    return network


@each_way
def test_copy_goes_on_like_its_original_and_each_on_its_own(make_copy: Callable[[Any], Any], backend, dtype):
    if backend.name not in ("numpy", "cupy") and make_copy in (by_pickle, by_joblib, copy.copy):
        pytest.skip("only backends that can be chosen by name are found again")
    network = trained(backend, dtype, 2)
    other = make_copy(network)
    before = parameters_of(network)
    for _ in range(3):
        other.update_mini_batch(*CASE.batch(other.backend, dtype), eta=0.1)
    assert same_bits(parameters_of(network), before)
    assert same_bits(parameters_of(other), parameters_of(trained(backend, dtype, 5)))


@each_way
def test_copy_counts_on(make_copy: Callable[[Any], Any], dtype):
    network, whole = CASE.network("numpy", dtype), CASE.network("numpy", dtype)
    data = CASE.host_batch(dtype)
    network.SGD(data, 2, 2, 0.1)
    other = make_copy(network)
    other.SGD(data, 1, 2, 0.1)
    whole.SGD(data, 3, 2, 0.1)
    assert same_bits(parameters_of(other), parameters_of(whole))


def test_deep_copy_shares_the_backend_and_nothing_else(backend):
    network = CASE.network(backend, "float32")
    other = copy.deepcopy({"best": [network]})["best"][0]
    assert other.backend is network.backend
    assert all(a is not b for a, b in zip(other.weights, network.weights, strict=True))
    assert other.buffers is not network.buffers


def test_copy_may_be_sent_to_another_process(tmp_path: Path):
    import subprocess
    import sys

    network = trained(select_backend("numpy"), "float32", 1)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(network))
    program = (
        "import pickle, sys, pathlib; net = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes());"
        "print(net.weights[1].tobytes().hex())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "net.pickle"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert bytes.fromhex(ended.stdout.strip()) == network.weights[1].tobytes()


@pytest.mark.parametrize("make_copy", [copy.deepcopy, copy.copy, by_pickle])
def test_weights_that_were_kept_can_be_put_back(make_copy: Callable[[Any], Any], backend):
    network = CASE.network(backend, "float32")
    before = parameters_of(network)
    best = make_copy(network.weights)
    network.update_mini_batch(*CASE.batch(backend, "float32"), eta=0.5)
    changed = parameters_of(network)
    network.weights = best
    assert same_bits(parameters_of(network)[:2], before[:2])
    assert not same_bits(changed[:2], before[:2])


def test_copy_made_within_a_step_checks_its_inputs_itself():
    network = CASE.network("numpy", "float32")
    with network.trusting_inputs():
        other = copy.deepcopy(network)
    X, y = CASE.host_batch("float32")
    X[0, 0] = np.inf
    with pytest.raises(NetworkError, match="not finite"):
        other.update_mini_batch(X, y, eta=0.1)


# Networks with checkpointing


def with_checkpointing(tmp_path: Path) -> dict[str, Any]:
    schedule = every_nth_offloaded(n_layers=4, n=2)
    return {
        "every second layer": {"checkpoint_every_nth_layer": 2},
        "a budget": {"budget_bytes": 2**20},
        "offloading": {"schedule": schedule, "offload": tmp_path},
    }


@pytest.mark.parametrize("kind", ["every second layer", "a budget", "offloading"])
@pytest.mark.parametrize("make_copy", [copy.deepcopy, by_pickle, by_joblib])
def test_copy_of_a_network_with_checkpointing_trains_on_like_it(kind: str, make_copy: Any, tmp_path: Path):
    case = Case((5, 4, 4, 4, 3), 6, momentum=0.5)
    batch = case.host_batch("float32")
    networks = [
        NetworkWithCheckpointing(case.sizes, momentum=0.5, **with_checkpointing(tmp_path)[kind]) for _ in range(2)
    ]
    for network in networks:
        network.update_mini_batch(*batch, eta=0.5)
    other = make_copy(networks[0])
    assert other.transfers is not networks[0].transfers or other.transfers is None
    assert (other.transfers is None) == (kind != "offloading")
    for _ in range(2):
        other.update_mini_batch(*batch, eta=0.5)
        networks[1].update_mini_batch(*batch, eta=0.5)
    assert same_bits(parameters_of(other), parameters_of(networks[1]))
    assert not same_bits(parameters_of(networks[0]), parameters_of(networks[1]))


def test_network_that_was_given_transfers_says_why_it_cannot_be_copied(tmp_path: Path):
    transfers = open_transfers(select_backend("numpy"), tmp_path)
    network = NetworkWithCheckpointing([5, 4, 4, 3], checkpoint_every_nth_layer=2, offload=transfers)
    with pytest.raises(CheckpointError, match="given Transfers, which are one network's"):
        copy.deepcopy(network)
