"""Starts trainings on ranks, as a user does: `mpiexec -n P mlp-checkpointing train ... --ranks`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checkpoint.errors import CheckpointError


def launcher() -> str:
    """The path of mpiexec. Raises `CheckpointError` where there is none."""
    path = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        raise CheckpointError("there is no mpiexec; install one: pip install 'mlp-checkpointing[mpi]'")
    return path


def started(ranks: int, options: Sequence[str]) -> "subprocess.Popen[str]":
    """A training by `train` with `options` on so many ranks, in a process group of its own."""
    command = [launcher(), "-n", str(ranks), sys.executable, "-m", "checkpoint", "train", *options, "--ranks"]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def report(ranks: int | None, options: Sequence[str]) -> dict[str, Any]:
    """What `train` with `options` reports on so many ranks; on None, in one process without MPI."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        if ranks is None:
            command = [sys.executable, "-m", "checkpoint", "train", *options, "--json", str(path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        else:
            process = started(ranks, [*options, "--json", str(path)])
            _, errors = process.communicate()
            if process.returncode:
                raise CheckpointError(f"{ranks} ranks ended with status {process.returncode}: {errors.strip()[-200:]}")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
