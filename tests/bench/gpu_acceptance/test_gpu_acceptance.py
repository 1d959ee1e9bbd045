"""The acceptance run of a GPU, run on whatever answers, and shown wrong results that it must reject.

On a stand-in its timings are left out: what is tested here is the run itself.
"""

import json
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from backend import BackendUnavailable
from backend.cupy.backend import CupyBackend
from backend.cupy.detection import count_devices
from backend.cupy.transfers import CupyTransfers
from bench.gpu_acceptance import __main__ as gpu_acceptance
from bench.gpu_acceptance import limit as gpu_limit
from bench.gpu_acceptance import parity as gpu_parity
from bench.gpu_acceptance import steps as gpu_steps
from bench.gpu_acceptance.array_bytes import bytes_as_predicted
from bench.gpu_acceptance.offload import offload
from bench.gpu_acceptance.offload_timing import offload_timing
from bench.gpu_acceptance.rows import Row, to_the_end
from bench.gpu_acceptance.shapes import QUICK

STRATEGIES = [
    "none",
    "store all, by schedule",
    "every 3rd",
    "sqrt",
    "slots: 3",
    "micro-batches",
    *(f"planned, {rows}, {pieces} pieces" for rows in ("unblocked", "row blocks") for pieces in ("large", "small")),
]


@pytest.fixture(scope="module")
def cupy_backend() -> CupyBackend:
    try:
        count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")
    return CupyBackend()


def first_of(rows: Iterator[Row], name: str) -> Row:
    return next(row for row in rows if row.name == name)


@pytest.mark.gpu
def test_everything_holds_and_is_written_down(
    cupy_backend: CupyBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "acceptance.json"
    assert gpu_acceptance.main(["--quick", "--json", str(report)]) == 0
    record = json.loads(report.read_text())
    rows = record["rows"]
    assert record["passed"]
    assert cupy_backend.device_name in capsys.readouterr().out
    assert [row["name"] for row in rows if row["group"] == "parity"] == [
        f"{dtype}, {activation}, {cost}"
        for dtype in ("float32", "float64")
        for activation, cost in [
            *product(("sigmoid", "tanh", "relu"), ("quadratic", "cross-entropy")),
            *product(("leaky-relu", "elu", "softplus", "identity"), ("binary-cross-entropy",)),
        ]
    ]
    names = [row["name"] for row in rows if row["group"] == "bytes"]
    assert names == [f"{dtype}, {strategy}" for dtype in ("float32", "float64") for strategy in STRATEGIES]
    assert [row["figures"]["ran"] for row in rows if row["group"] == "limit"] == [False, True]
    offloaded = [row for row in rows if row["group"] == "offload"]
    assert [row["name"] for row in offloaded if row["passed"]] == [
        f"{what}, {dtype}, {name}"
        for dtype in ("float32", "float64")
        for name in ("all", "every 3rd", "planned")
        for what in ("parity", "bytes")
    ]
    if gpu_acceptance.is_stand_in(cupy_backend):
        assert not any("seconds" in row["figures"] for row in rows)
        assert all(row["detail"].startswith("left out") for row in rows if row["name"] == "timings")
        assert {row["group"] for row in rows if row["name"] == "timings"} == {"offload", "steps"}


@pytest.mark.gpu
def test_another_result_than_numpy_s_is_noticed(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = CupyBackend.output_delta_

    def wrong(self: CupyBackend, a: Any, y: Any, activation: str) -> None:
        plain(self, a, y, activation)
        a *= 1.001

    monkeypatch.setattr(CupyBackend, "output_delta_", wrong)
    row = next(gpu_parity.parity(cupy_backend, QUICK))
    assert row.passed is False
    assert row.figures["distance"]["gradients"] == pytest.approx(1e-3, rel=0.01)


@pytest.mark.gpu
def test_other_bits_with_checkpoints_are_noticed(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gpu_parity.NetworkWithCheckpointing.forward_between_checkpoints

    def wrong(self: Any, a: Any, start: int, stop: int) -> list[Any]:
        found: list[Any] = plain(self, a, start, stop)
        found[-1][0, 0] *= 1 + 2**-20
        return found

    monkeypatch.setattr(gpu_parity.NetworkWithCheckpointing, "forward_between_checkpoints", wrong)
    row = next(gpu_parity.parity(cupy_backend, QUICK))
    assert row.passed is False
    assert "bits differ from plain's: every 2nd" in row.detail
    assert max(row.figures["distance"].values()) < row.figures["rounding"]


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", ["none", "sqrt"])
def test_512_bytes_too_many_are_noticed(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    plain, held = CupyBackend.sum_rows, []

    def wasteful(self: CupyBackend, d: Any, *, out: Any, **onto: Any) -> None:
        plain(self, d, out=out, **onto)
        held.append(self.empty((1,), "float32"))

    monkeypatch.setattr(CupyBackend, "sum_rows", wasteful)
    row = first_of(bytes_as_predicted(cupy_backend, QUICK), f"float32, {strategy}")
    assert row.passed is False


@pytest.mark.gpu
def test_a_plan_that_runs_into_the_limit_is_noticed(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_limit, "NetworkWithCheckpointing", lambda sizes, schedule, **more: _plain(sizes, **more))
    plain, planned = gpu_limit.fits_under_a_budget(cupy_backend, QUICK)
    assert (plain.passed, planned.passed) == (True, False)
    assert "out of device memory" in planned.detail
    assert cupy_backend.limit_bytes is None


@pytest.mark.gpu
def test_offloading_that_changes_a_bit_is_noticed(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = CupyTransfers.back

    def wrong(self: CupyTransfers, ticket: Any, a: Any) -> None:
        plain(self, ticket, a)
        self._copies.synchronize()
        a[0, 0] *= 1 + 2**-20

    monkeypatch.setattr(CupyTransfers, "back", wrong)
    row = next(offload(cupy_backend, QUICK))
    assert row.passed is False
    assert "differ from plain's" in row.detail


@pytest.mark.gpu
def test_offloading_in_more_bytes_than_predicted_is_noticed(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, held = CupyTransfers.out, []

    def wasteful(self: CupyTransfers, a: Any) -> Any:
        held.append(cupy_backend.empty((1,), "float32"))
        return plain(self, a)

    monkeypatch.setattr(CupyTransfers, "out", wasteful)
    rows = offload(cupy_backend, QUICK)
    assert first_of(rows, "bytes, float32, all").passed is False


@pytest.mark.gpu
def test_offloading_is_timed_beside_the_computing_and_not(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One turn; its figures mean nothing."""
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    rows = [*offload_timing(cupy_backend, QUICK.deep, deadline=time.monotonic())]
    assert [row.name for row in rows] == [
        "rates",
        "under load, nothing offloaded",
        "under load, all offloaded, beside the computing",
        "under load, all offloaded, each copy waited for",
    ]
    assert all(row.figures["seconds"] > 0 for row in rows[1:])


def _plain(sizes: tuple[int, ...], **more: Any) -> Any:
    return gpu_limit.Network(sizes, **more)


@pytest.mark.gpu
def test_timed_steps_are_compared_with_the_products(cupy_backend: CupyBackend) -> None:
    """One turn; its figures mean nothing."""
    rows = [*gpu_steps.steps(cupy_backend, quick=True, timed=True, deadline=time.monotonic())]
    ours = [row for row in rows if row.figures["kind"] == "ours"]
    assert [row.name for row in rows if row.figures["kind"] == "control"] == ["matrix products alone"] * 2
    assert len(ours) == 8
    assert all(row.passed for row in ours)
    assert all(row.figures["of_products"] > 0 for row in rows)


@pytest.mark.parametrize("gib", [16, 40, 80, 141])
def test_cases_are_as_large_as_a_gpu_holds(gib: int) -> None:
    deep, long = gpu_steps.cases(gib * 2**30, quick=False)
    for case in (deep, long):
        activations = 4 * case.batch_size * sum(case.sizes[1:])
        assert 2**30 * gib / 19 <= activations <= 2**30 * gib / 8 or case is deep
    assert 9 * 4 * sum(a * b for a, b in zip(deep.sizes, deep.sizes[1:], strict=False)) < 2**30 * gib / 2


# Without a GPU


def test_no_gpu_is_one_line_and_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none(name: str, *, device: int | None) -> Any:
        raise BackendUnavailable("there is no NVIDIA driver", "install one")

    monkeypatch.setattr(gpu_acceptance, "select_backend", none)
    assert gpu_acceptance.main([]) == 2
    assert capsys.readouterr().err == "bench.gpu_acceptance: error: there is no NVIDIA driver; install one\n"


def test_a_group_that_raises_is_a_failed_row_and_not_the_end() -> None:
    def rows() -> Iterator[Row]:
        yield Row("bytes", "none", True, "")
        raise ZeroDivisionError("by zero")

    first, second = to_the_end("bytes", rows())
    assert (first.passed, second.passed) == (True, False)
    assert second.detail == "ended early: ZeroDivisionError: by zero"


@pytest.mark.gpu
def test_a_failed_check_is_status_1(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("parity", "float32", True, "equal"), Row("bytes", "sqrt", False, "512 too many")]
    monkeypatch.setattr(gpu_acceptance, "_all", lambda *_, **__: iter(rows))
    assert gpu_acceptance.main(["--quick"]) == 1
    said = capsys.readouterr()
    assert "1 of 2 checks hold" in said.out
    assert said.err == "FAILED: bytes, sqrt: 512 too many\n"
