"""What is promised is what the device gives: a plan and a run train where the driver has that much and little more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.pool import pool_of
from backend.errors import OutOfDeviceMemory
from bench.gpu_acceptance.checks import promise as gpu_promise
from bench.gpu_acceptance.checks.promise import plan_of, promise_row
from bench.gpu_acceptance.rows import FAILED, OK
from bench.gpu_acceptance.shapes import QUICK

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[3]
TRAIN = [
    "train",
    "--data",
    "sample",
    "--sizes",
    "784,64x8,10",
    "--epochs",
    "1",
    "--batch-size",
    "1000",
    "--backend",
    "cupy",
]
CLOSE_BYTES = 64 * 1024

RUN_BYTES = 256 * 1024
"""What a run takes on top: between steps it evaluates, whose arrays come one by one."""


@pytest.mark.parametrize(("row_blocks", "pieces"), [(False, "large"), (True, "small")])
def test_plan_needs_what_it_was_promised(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, row_blocks: bool, pieces: str
) -> None:
    monkeypatch.setattr(gpu_promise, "ALLOWED_BYTES", CLOSE_BYTES)
    monkeypatch.setattr(gpu_promise, "TRIALS", 2)
    planned = plan_of(QUICK.deep, row_blocks=row_blocks, pieces=pieces)
    row = promise_row(cupy_backend, QUICK.deep, "a plan", planned)
    assert row.verdict == OK, row.detail
    assert row.figures["promised_bytes"] == row.figures["rest_bytes"] + -(-planned.arena_bytes // 512) * 512
    assert row.figures["needed_bytes"] <= row.figures["promised_bytes"] + CLOSE_BYTES


def test_plan_that_needs_more_is_noticed(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_promise, "ALLOWED_BYTES", -1024)
    row = promise_row(cupy_backend, QUICK.deep, "a plan", plan_of(QUICK.deep, row_blocks=False, pieces="large"))
    assert row.verdict == FAILED


def test_pool_takes_no_more_than_it_may(cupy_backend: CupyBackend) -> None:
    pool = pool_of(cupy_backend.device.id)
    cupy_backend.give_back()
    held = cupy_backend.device_memory().pool_bytes
    with pool.taking_at_most(held + 4096):
        a = cupy_backend.empty((1024,), "float32")
        with pytest.raises(OutOfDeviceMemory):
            cupy_backend.empty((1024,), "float32")
        del a
    assert cupy_backend.empty((1 << 20,), "float32").nbytes == 1 << 22


def run(
    path: Path, *options: str, memory: int | None = None
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    environment = dict(os.environ) | ({} if memory is None else {"EMU_MEM": str(memory)})
    command = [sys.executable, "-m", "checkpoint", *TRAIN, *options, "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done, json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.skipif("CUPY_ON_HOST_LIB" not in os.environ, reason="only a stand-in's memory can be made small")
def test_run_fits_a_device_of_its_promise(cupy_backend: CupyBackend, tmp_path: Path) -> None:
    """And its reports have the pool's bytes beside those used."""
    first, record = run(tmp_path / "a.json", "--budget", "50%")
    assert first.returncode == 0, first.stderr
    assert f"{record['pool_bytes']:,} bytes in the pool, {record['promised_bytes']:,} promised" in first.stdout
    needed = record["outside_bytes"] + record["promised_bytes"] + RUN_BYTES
    small, found = run(tmp_path / "b.json", "--budget", "50%", memory=needed)
    assert small.returncode == 0, small.stderr
    assert found["pool_bytes"] <= found["promised_bytes"] + RUN_BYTES
    assert found["weights_sha256"] == record["weights_sha256"]
