"""Places to offload to: which are refused, that no file is left, and that blocks are handed out again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend import OffloadError, open_transfers, select_backend
from backend.numpy.transfers import FileTransfers
from backend.places import check_place
from tests.conftest import backend_called


@pytest.mark.parametrize(
    ("backend", "place", "problem"),
    [
        ("numpy", "host", "numpy's arrays are in the host's memory already; give the path"),
        ("numpy", "", "the place to offload to is empty"),
        ("cupy", "/tmp", "cupy offloads to the host's memory, not to '/tmp'"),  # noqa: S108
        ("array-api-strict", "host", "the array-api-strict backend cannot offload"),
    ],
)
def test_place_of_another_kind_is_refused(backend: str, place: str, problem: str) -> None:
    with pytest.raises(OffloadError, match=problem):
        check_place(backend, place)


def test_path_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    numpy = select_backend("numpy")
    there = tmp_path / "there"
    there.write_bytes(b"mine")
    with pytest.raises(OffloadError, match="it exists, and is not overwritten"):
        open_transfers(numpy, there)
    assert there.read_bytes() == b"mine"
    with pytest.raises(OffloadError, match="No such file or directory; choose another path"):
        open_transfers(numpy, tmp_path / "no" / "file")
    with pytest.raises(OffloadError, match="cannot offload to /proc"):
        open_transfers(numpy, Path("/proc"))


@pytest.mark.parametrize("name", ["", "file"])
def test_file_has_no_name_from_the_start(tmp_path: Path, name: str) -> None:
    transfers = FileTransfers(tmp_path / name if name else tmp_path)
    a = np.arange(1000.0)
    ticket = transfers.out(a)
    transfers.before_release(ticket)
    assert list(tmp_path.iterdir()) == []
    b = np.empty(1000)
    transfers.back(ticket, b)
    transfers.before_use(ticket)
    assert (a == b).all()
    transfers.close()


def test_killed_process_leaves_no_file(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, numpy as np\nfrom backend import open_transfers, select_backend\n"
        "there = open_transfers(select_backend('numpy'), sys.argv[1])\n"
        "there.out(np.ones(10**6))\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_process_that_forgets_to_close_ends(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\nfrom backend import open_transfers, select_backend\n"
        "there = open_transfers(select_backend('numpy'), sys.argv[1])\nthere.out(np.ones(10**6))"
    )
    command = [sys.executable, "-W", "error", "-c", program, tmp_path]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, timeout=60)
    assert ended.stderr == b""


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists a process's open files")
def test_files_are_closed_with_their_transfers(tmp_path: Path) -> None:
    before = open_files()
    transfers = FileTransfers(tmp_path)
    assert open_files() != before
    del transfers
    assert open_files() == before


def test_blocks_that_are_free_are_handed_out_again(tmp_path: Path) -> None:
    transfers = FileTransfers(tmp_path)
    large, small = np.ones(100), np.ones(10)
    for _ in range(3):
        tickets = [transfers.out(a) for a in (small, large, small)]
        for ticket, a in zip(tickets, (small, large, small), strict=True):
            transfers.back(ticket, a)
            transfers.before_use(ticket)
    assert transfers.asked_bytes == transfers.held_bytes == 960


@pytest.mark.gpu
def test_pinned_blocks_are_of_whole_pages() -> None:
    backend = backend_called("cupy")
    transfers = open_transfers(backend, "host")
    transfers.out(backend.zeros((1025,), "float32"))
    assert (transfers.asked_bytes, transfers.held_bytes) == (4100, 8192)
    transfers.close()
    assert transfers.held_bytes == 0
