"""Starts ranks: mpiexec in a process group of its own, with a time limit after which the group is ended."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from backend.facts import UNCOMPILED
from tests.conftest import VARIANT

ROOT = Path(__file__).parents[2]
SECONDS = 60
LAUNCHER = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

needs_mpi = [
    pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="mpi4py is not installed"),
    pytest.mark.skipif(LAUNCHER is None, reason="there is no mpiexec"),
    pytest.mark.skipif(VARIANT == UNCOMPILED, reason="ranks need the compiled kernels"),
]

PROGRAM = ("-m", "checkpoint", "train", "--data", "sample", "--sizes", "784,20,12,10", "--batch-size", "700")
PROGRAM += ("--momentum", "0.9", "--eta", "0.05", "--dropout", "0.2", "--epochs", "2")
"""A short training, whose last mini-batch of 500 rows leaves some ranks a smaller share."""


@contextmanager
def started(ranks, *arguments):
    """Ranks of `python arguments`, as a process whose output is read as text; ended with the block."""
    command = [LAUNCHER, "-n", str(ranks), sys.executable, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(ranks, *arguments, seconds=SECONDS):
    """What ranks of `python arguments` wrote, and their exit status."""
    with started(ranks, *arguments) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the ranks are still there after {seconds} s") from None
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def processes(output):
    """The ranks' process numbers, rank 0 first, from what rank 0 has written."""
    line = next(line for line in output.splitlines() if "ranks, as processes" in line)
    return [int(number) for number in line.partition("processes ")[2].partition(":")[0].split(", ")]
