"""Forked processes of a network that offloads to a file: each has a file and a thread of its own."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend import TransferError
from backend.numpy.transfers import FileTransfers
from checkpoint import NetworkWithCheckpointing
from mlp import Network
from tests.checkpoint.offloading import all_offloaded

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]
SIZES = [40, 300, 200, 300, 200, 300, 10]
STEPS, SECONDS = 8, 60


def forked(work: Callable[[], bool]) -> int:
    """The id of a forked process that ends with status 0 where `work` returns true, and never hangs."""
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((256, 40), np.float32), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 256)]


def train(net: Network, seed: int, steps: int = STEPS) -> None:
    for step in range(steps):
        net.update_mini_batch(*batch(seed + step), eta=0.5)


def weights_after(*seeds: int) -> list[bytes]:
    plain = Network(SIZES, seed=3)
    for seed in seeds:
        train(plain, seed)
    return [w.tobytes() for w in plain.weights]


def is_plain(net: Network, *seeds: int) -> bool:
    return [w.tobytes() for w in net.weights] == weights_after(*seeds)


@pytest.mark.parametrize("stepped", [False, True], ids=["new", "stepped"])
@pytest.mark.parametrize("name", ["", "file"], ids=["folder", "file"])
def test_parent_and_children_end_with_plain_weights(tmp_path: Path, name: str, stepped: bool) -> None:
    net = NetworkWithCheckpointing(SIZES, seed=3, schedule=all_offloaded(6), offload=tmp_path / name)
    before = (100,) if stepped else ()
    for seed in before:
        train(net, seed)

    def work(seed: int) -> bool:
        train(net, seed)
        return is_plain(net, *before, seed)

    children = [forked(lambda seed=seed: work(seed)) for seed in (200, 300)]
    assert work(400)
    assert [status_of(child) for child in children] == [0, 0]
    assert list(tmp_path.iterdir()) == []


def test_child_of_a_child_ends_with_plain_weights(tmp_path: Path) -> None:
    net = NetworkWithCheckpointing(SIZES, seed=3, schedule=all_offloaded(6), offload=tmp_path)
    train(net, 100)

    def work(seed: int) -> bool:
        train(net, seed)
        return is_plain(net, 100, seed)

    assert status_of(forked(lambda: status_of(forked(lambda: work(200))) == 0 and work(300))) == 0
    assert work(400)


def test_step_that_was_under_way_at_the_fork_is_refused_in_the_child(tmp_path: Path) -> None:
    transfers = FileTransfers(tmp_path)
    a, b = np.arange(1000.0), np.empty(1000)
    ticket = transfers.out(a)

    def refused() -> bool:
        for use in (lambda: transfers.before_use(ticket), lambda: transfers.back(ticket, b)):
            with pytest.raises(TransferError, match=r"forked during a step.*fork between steps"):
                use()
        transfers.settle([ticket])
        again = transfers.out(a)
        transfers.settle([again])
        return transfers.held_bytes == a.nbytes

    assert status_of(forked(refused)) == 0
    transfers.back(ticket, b)
    transfers.before_use(ticket)
    assert (a == b).all()


def open_files(folder: Path) -> int:
    """How many files of this folder the process has open."""
    return sum(
        str(path.readlink()).startswith(f"{folder}/") for path in Path("/proc/self/fd").glob("*") if path.is_symlink()
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists a process's open files")
def test_child_closes_the_file_of_its_parent(tmp_path: Path) -> None:
    transfers = FileTransfers(tmp_path)
    a = np.arange(1000.0)
    transfers.settle([transfers.out(a)])

    def closed() -> bool:
        before = open_files(tmp_path)
        transfers.settle([transfers.out(a)])
        same = open_files(tmp_path) == before
        transfers.close()
        return same and open_files(tmp_path) == before - 1

    assert status_of(forked(closed)) == 0
