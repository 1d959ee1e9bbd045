"""What a step has Python and CUDA do: no wait, no copy and no allocation once plans are made, and few calls."""

import os
from pathlib import Path
from typing import Any

import pytest

from bench.launches import __main__ as launches
from tests.bench.commands.reports import rows_of

stand_in = pytest.mark.skipif(launches.STAND_IN not in os.environ, reason="only the stand-in prints its calls")


@pytest.mark.gpu
@stand_in
def test_a_step_waits_for_nothing_copies_nothing_and_allocates_nothing(
    report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = launches.Counted("small", (6, *[8] * 30, 3), 12, {"momentum": 0.9})
    monkeypatch.setattr(launches, "COUNTED", {"small": small})
    assert launches.main(["--json", str(report)]) == 0
    (row,) = rows_of(report, "launches")
    names = "waits", "copies_to_host", "copies_to_device", "pool_allocations", "device_allocations"
    assert [row[name] for name in names] == [0] * 5
    assert row["products"] == 31 + 31 + 30  # forward, gradients, errors
    assert row["launches"] == row["kernels"] + row["products"]
    assert row["python_calls_per_launch"] < 2.5
    assert "python calls per launch" in capsys.readouterr().out


def test_counting_needs_the_stand_in(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(launches.STAND_IN, raising=False)
    assert launches.main([]) == 2
    assert "wanted the stand-in" in capsys.readouterr().err


def test_calls_are_counted_between_the_marks_alone() -> None:
    mark = launches.child.MARK
    said = f"[emu] launch a\n{mark}\n[emu] launch b\n[emu] memcpyAsync kind 2 n 8\nother\n{mark}\n[emu] gemm m1\n"
    found: Any = launches._traced(said)
    assert found == {"launch": 1, "memcpy kind 2": 1}
