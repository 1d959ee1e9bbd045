"""Fits are compared in one run. Nothing here asserts a speed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.estimators import __main__ as command
from bench.estimators import ways
from bench.estimators.cases import CASES, Case, NoData
from tests.bench.commands.reports import rows_of

TINY = Case(
    "table",
    lambda: (np.ones((40, 3), "float32") * np.arange(40, dtype="float32")[:, None] / 40, np.linspace(0, 1, 40)),
    hidden=(8,) * 6,
    batch_size=20,
    epochs=2,
    regression=True,
)


def test_fits_are_compared_with_ours(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {ways.TORCH: "it is not wanted here", ways.KERAS: "nor is it"}
    monkeypatch.setitem(CASES, "table", TINY)
    monkeypatch.setattr(command, "absent", lambda: missing)
    monkeypatch.setattr(command, "_bytes_of", lambda way, case: (ways.array_bytes(way, case), 2, 3))
    assert command.main(["--case", "table", "--turns", "1", "--json", str(report)]) == 0
    rows, printed = rows_of(report, "estimators"), capsys.readouterr().out
    assert [row["way"] for row in rows] == [ways.OURS, ways.IN_BUDGET, ways.SCIKIT]
    assert rows[0]["ratio"] == 1
    assert all(row["ratio"] == row["seconds"] / rows[0]["seconds"] for row in rows)
    assert all(row["array_bytes"] > 0 for row in rows)
    assert "Keras is left out: nor is it" in printed


def test_case_without_data_is_left_out_by_name(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> tuple[np.ndarray, np.ndarray]:
        raise NoData("it is not here")

    monkeypatch.setitem(CASES, "mnist10k", replace(TINY, data=missing))
    assert command.main(["--case", "mnist10k", "--json", str(report)]) == 0
    assert "mnist10k is left out: it is not here" in capsys.readouterr().out
    assert rows_of(report, "estimators") == []
