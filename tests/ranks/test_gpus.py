"""Ranks on GPUs by MPI: the bits of one process with the same row blocks, and the bytes that are predicted."""

import json

import pytest

from checkpoint.commands.program import main
from checkpoint.execution.ranks.links.probe import LINK_VARIABLE
from tests.checkpoint.reports import described, keys_of
from tests.conftest import backend_called
from tests.ranks.launching import PROGRAM, needs_mpi, run

pytestmark = [*needs_mpi, pytest.mark.gpu]
CUPY = ("--backend", "cupy", "--epochs", "1")
BLOCKS = (*CUPY, "--checkpoint", "micro:128")


@pytest.fixture(autouse=True)
def _device():
    backend_called("cupy")


def reported(ranks, folder, *how):
    """What `train` reports and prints on so many ranks, after a look at each rank's bytes."""
    done = run(ranks, *PROGRAM, *how, "--ranks", "--json", folder / "run.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "run.json").read_text())
    for rank in report["ranks"]:
        for kind in ("peak", "pinned", "host"):
            assert rank[f"measured_{kind}_bytes"] == rank[f"predicted_{kind}_bytes"]
    return report, done.stdout


def test_row_blocks_in_turns_have_the_weights_of_one_process(tmp_path, monkeypatch):
    assert main([*PROGRAM[2:], *BLOCKS, "--json", str(tmp_path / "alone.json")]) == 0
    monkeypatch.setenv("EMU_DEVICES", "2")
    report, shown = reported(2, tmp_path, *BLOCKS)
    alone = json.loads((tmp_path / "alone.json").read_text())
    assert report["weights_sha256"] == alone["weights_sha256"]
    assert keys_of(report) == described("train") | described("train --ranks")
    assert "GPUs by number: rank 0 on 0, rank 1 on 1" in shown
    assert "depend on the number of ranks" not in shown
    if "host memory" in alone["device"]:  # the stand-in's, which any MPI takes: the probe finds so
        assert "; MPI takes their arrays" in shown
        assert not any(rank["measured_pinned_bytes"] for rank in report["ranks"])


def test_shares_that_offload_go_by_way_of_the_host_and_what_is_not_promised_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv(LINK_VARIABLE, "staged")
    report, shown = reported(2, tmp_path, *CUPY, "--checkpoint", "every:1", "--offload", "host")
    assert "arrays go by way of pinned memory" in shown
    assert "the last bits of the weights depend on the number of ranks" in shown
    for rank in report["ranks"]:
        assert rank["measured_pinned_bytes"] > 0 < rank["measured_host_bytes"]
