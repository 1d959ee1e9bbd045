"""Ranks on GPUs by MPI: the bits of one process with the same row blocks, and the bytes that are predicted."""

import json

import pytest

from checkpoint.execution.ranks.links.probe import LINK_VARIABLE, alone
from tests.checkpoint.reports import described, keys_of
from tests.conftest import backend_called
from tests.ranks.launching import PROGRAM, needs_mpi, run

pytestmark = [*needs_mpi, pytest.mark.gpu]
BLOCKS = ("--backend", "cupy", "--checkpoint", "micro:128", "--epochs", "1")


@pytest.fixture(autouse=True)
def _device():
    backend_called("cupy")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """What `train` reports in one process."""
    path = tmp_path_factory.mktemp("alone") / "run.json"
    done = run(1, *PROGRAM, *BLOCKS, "--ranks", "--json", path)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.mark.parametrize("way", ["probed", "staged"])
def test_command_trains_the_weights_of_one_process(tmp_path, monkeypatch, one_process, way):
    monkeypatch.setenv("EMU_DEVICES", "2")
    monkeypatch.setenv(LINK_VARIABLE, way)
    done = run(2, *PROGRAM, *BLOCKS, "--ranks", "--json", tmp_path / "run.json")
    assert done.returncode == 0, done.stderr
    assert "GPUs by number: rank 0 on 0, rank 1 on 1" in done.stdout
    assert ("by way of pinned memory" in done.stdout) or way == "probed"
    report = json.loads((tmp_path / "run.json").read_text())
    assert keys_of(report) == described("train") | described("train --ranks")
    assert report["weights_sha256"] == one_process["weights_sha256"]
    for rank in report["ranks"]:
        for kind in ("peak", "pinned", "host"):
            assert rank[f"measured_{kind}_bytes"] == rank[f"predicted_{kind}_bytes"]
        assert (rank["measured_pinned_bytes"] > 0) or way == "probed"


def test_shares_and_offload_are_allowed_and_what_is_not_promised_is_said(tmp_path):
    how = ("--backend", "cupy", "--checkpoint", "every:1", "--offload", "host", "--epochs", "1", "--ranks")
    done = run(2, *PROGRAM, *how, "--json", tmp_path / "run.json")
    assert done.returncode == 0, done.stderr
    assert "the last bits of the weights depend on the number of ranks" in done.stdout
    for rank in json.loads((tmp_path / "run.json").read_text())["ranks"]:
        assert rank["measured_host_bytes"] == rank["predicted_host_bytes"] > 0
        assert rank["measured_peak_bytes"] == rank["predicted_peak_bytes"]


def test_probe_knows_nothing_of_the_launcher():
    assert alone({"PMI_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PATH": "/bin"}) == {"PATH": "/bin"}
