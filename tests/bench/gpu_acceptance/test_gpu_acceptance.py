"""The groups of an acceptance run, run on whatever answers, and shown wrong results that they must reject.

On a stand-in timings are left out: what is tested here is the run itself.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.transfers import CupyTransfers
from bench.gpu_acceptance.checks import limit as gpu_limit
from bench.gpu_acceptance.checks import parity as gpu_parity
from bench.gpu_acceptance.checks.array_bytes import bytes_as_predicted
from bench.gpu_acceptance.checks.environment import is_stand_in
from bench.gpu_acceptance.checks.offload import offload
from bench.gpu_acceptance.child import rows_of
from bench.gpu_acceptance.groups import GROUPS
from bench.gpu_acceptance.processes import rows_of_process
from bench.gpu_acceptance.rows import FAILED, LEFT_OUT, MEASURED, OK, Row
from bench.gpu_acceptance.setting import Setting

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[3]

STRATEGIES = [
    "none",
    "store all, by schedule",
    "every 3rd",
    "sqrt",
    "slots: 3",
    "micro-batches",
    *(f"planned, {rows}, {pieces} pieces" for rows in ("unblocked", "row blocks") for pieces in ("large", "small")),
]


@pytest.fixture
def setting(cupy_backend: CupyBackend) -> Setting:
    return Setting(cupy_backend, quick=True, timed=False, deadline=math.inf)


def first_of(rows: Iterator[Row], name: str) -> Row:
    return next(row for row in rows if row.name == name)


def found(backend: CupyBackend, group: str) -> list[Row]:
    return [*rows_of(group, GROUPS[group], backend, quick=True, deadline=math.inf)]


def test_results_are_numpy_s(cupy_backend: CupyBackend) -> None:
    rows = found(cupy_backend, "parity")
    assert [row.name for row in rows] == [
        f"{dtype}, {activation}, {cost}"
        for dtype in ("float32", "float64")
        for activation, cost in [
            *product(("sigmoid", "tanh", "relu"), ("quadratic", "cross-entropy")),
            *product(("leaky-relu", "elu", "softplus", "identity"), ("binary-cross-entropy",)),
        ]
    ]
    assert {row.verdict for row in rows} == {OK}


def test_bytes_are_as_predicted(cupy_backend: CupyBackend) -> None:
    rows = found(cupy_backend, "bytes")
    assert [row.name for row in rows] == [f"{a}, {b}" for a in ("float32", "float64") for b in STRATEGIES]
    assert {row.verdict for row in rows} == {OK}


def test_offloading_has_plain_s_bits_in_the_bytes_predicted(cupy_backend: CupyBackend) -> None:
    rows = found(cupy_backend, "offload")
    assert [row.name for row in rows] == [
        f"{what}, {dtype}, {name}"
        for dtype in ("float32", "float64")
        for name in ("all", "every 3rd", "planned")
        for what in ("parity", "bytes")
    ]
    assert {row.verdict for row in rows} == {OK}


@pytest.mark.parametrize("group", ["limit", "deep, ours", "classic, ours"])
def test_group_holds(cupy_backend: CupyBackend, group: str) -> None:
    rows = found(cupy_backend, group)
    assert rows
    assert {row.verdict for row in rows if row.passed is not None} == {OK}


def test_small_pieces_are_measured_and_not_judged(cupy_backend: CupyBackend) -> None:
    rows = found(cupy_backend, "small pieces")
    assert len(rows) == 4
    assert {row.verdict for row in rows} == {MEASURED}
    assert all(row.figures["other_bits"] <= row.figures["arrays"] for row in rows)


def test_timings_of_a_stand_in_are_left_out(cupy_backend: CupyBackend) -> None:
    if not is_stand_in(cupy_backend):
        pytest.skip("this GPU's times mean something")
    for name, group in GROUPS.items():
        if group.timed:
            (row,) = found(cupy_backend, name)
            assert row.verdict == LEFT_OUT


# Wrong results


def test_another_result_than_numpy_s_is_noticed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = CupyBackend.output_delta_

    def wrong(self: CupyBackend, a: Any, y: Any, activation: str) -> None:
        plain(self, a, y, activation)
        a *= 1.001

    monkeypatch.setattr(CupyBackend, "output_delta_", wrong)
    row = next(gpu_parity.parity(setting))
    assert row.passed is False
    assert row.figures["distance"]["gradients"] == pytest.approx(1e-3, rel=0.01)


def test_other_bits_with_checkpoints_are_noticed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gpu_parity.NetworkWithCheckpointing.forward_between_checkpoints

    def wrong(self: Any, a: Any, start: int, stop: int) -> list[Any]:
        outputs: list[Any] = plain(self, a, start, stop)
        outputs[-1][0, 0] *= 1 + 2**-20
        return outputs

    monkeypatch.setattr(gpu_parity.NetworkWithCheckpointing, "forward_between_checkpoints", wrong)
    row = next(gpu_parity.parity(setting))
    assert row.passed is False
    assert "bits differ from plain's: every 2nd" in row.detail
    assert max(row.figures["distance"].values()) < row.figures["rounding"]


@pytest.mark.parametrize("strategy", ["none", "sqrt"])
def test_512_bytes_too_many_are_noticed(setting: Setting, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    plain, held = CupyBackend.sum_rows, []

    def wasteful(self: CupyBackend, d: Any, *, out: Any, **onto: Any) -> None:
        plain(self, d, out=out, **onto)
        held.append(self.empty((1,), "float32"))

    monkeypatch.setattr(CupyBackend, "sum_rows", wasteful)
    assert first_of(bytes_as_predicted(setting), f"float32, {strategy}").passed is False


def test_a_plan_that_runs_into_the_limit_is_noticed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_network = gpu_limit.Network
    monkeypatch.setattr(
        gpu_limit, "NetworkWithCheckpointing", lambda sizes, schedule, **more: plain_network(sizes, **more)
    )
    plain, planned = gpu_limit.fits_under_a_budget(setting)
    assert (plain.passed, planned.passed) == (True, False)
    assert "out of device memory" in planned.detail
    assert setting.backend.limit_bytes is None


def test_offloading_that_changes_a_bit_is_noticed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = CupyTransfers.back

    def wrong(self: CupyTransfers, ticket: Any, a: Any) -> None:
        plain(self, ticket, a)
        self._copies.synchronize()
        a[0, 0] *= 1 + 2**-20

    monkeypatch.setattr(CupyTransfers, "back", wrong)
    row = next(offload(setting))
    assert row.passed is False
    assert "differ from plain's" in row.detail


def test_offloading_in_more_bytes_than_predicted_is_noticed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, held = CupyTransfers.out, []

    def wasteful(self: CupyTransfers, a: Any) -> Any:
        held.append(setting.backend.empty((1,), "float32"))
        return plain(self, a)

    monkeypatch.setattr(CupyTransfers, "out", wasteful)
    assert first_of(offload(setting), "bytes, float32, all").passed is False


# In processes of their own


def acceptance(path: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """The status, the JSON and what was printed of the command, with groups in processes of their own."""
    command = [sys.executable, "-m", "bench.gpu_acceptance", "--quick", "--json", str(path), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(path.read_text()), done.stdout


def test_command_writes_down_what_holds(cupy_backend: CupyBackend, tmp_path: Path) -> None:
    status, record, printed = acceptance(tmp_path / "a.json", "--only", "limit")
    assert (status, record["passed"], record["complete"]) == (0, True, True)
    assert [row["figures"]["ran"] for row in record["rows"]] == [False, True]
    assert record["environment"]["device"] == cupy_backend.device_name
    assert cupy_backend.device_name in printed
    assert ("no time of it means anything" in printed) == is_stand_in(cupy_backend)


STICKS = """
import sys
from bench.gpu_acceptance import child, groups
from bench.gpu_acceptance.rows import checked

def sticks(setting):
    import cupy
    yield checked("bytes", "before", True, "found before the error")
    cupy.cuda.runtime.memcpy(8, 16, 4, 1)  # addresses of nobody
    yield checked("bytes", "after", True, "never found")

groups.GROUPS["bytes"] = groups.Group(sticks, 60)
sys.exit(child.main(["bytes", "--seconds", "60"]))
"""


def test_cuda_error_loses_no_row_that_was_found_before(cupy_backend: CupyBackend) -> None:
    rows = [*rows_of_process("bytes", [sys.executable, "-P", "-c", STICKS], seconds=60)]
    assert [row.verdict for row in rows] == [OK, FAILED]
    assert "ended early: CUDARuntimeError" in rows[1].detail


def test_small_gpu_is_left_out_and_not_failed(cupy_backend: CupyBackend, tmp_path: Path) -> None:
    if not is_stand_in(cupy_backend):
        pytest.skip("only a stand-in's memory can be made small")
    status, record, printed = acceptance(tmp_path / "a.json", "--only", "bytes", EMU_MEM=str(2**20))
    assert status == 2
    assert {row["verdict"] for row in record["rows"]} == {LEFT_OUT}
    assert "left out: the GPU is too small or busy" in printed
