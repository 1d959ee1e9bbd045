"""Planned Sequentials beside PyTorch's own ways. Nothing here asserts a speed."""

from pathlib import Path

import pytest

from bench import torch_plans
from bench.steps.cases import Case
from tests.bench.commands.reports import rows_of

TINY = Case("tiny", "a test", (12, *[64, 8] * 3, 3), 512, every=3, row_block_mib=None)


def test_each_way_is_measured_beside_what_was_predicted(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(torch_plans.CASES, "ragged", TINY)
    options = ["--share", "0.7", "--share", "0.001", "--turns", "1", "--no-compile", "--json", str(report)]
    assert torch_plans.main(options) == 0
    rows = rows_of(report, "torch_plans")
    assert [row["way"] for row in rows[:2]] == ["eager", "planned"]
    assert all(row["peak_bytes"] > 0 and row["seconds"] > 0 for row in rows)
    assert rows[1]["predicted_bytes"] <= rows[1]["budget_bytes"]
    assert "tiny at 0% is left out: budget" in capsys.readouterr().out


def test_without_pytorch_it_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(torch_plans.sys.modules, "torch", None)
    assert torch_plans.main([]) == 2
    assert "PyTorch is not installed" in capsys.readouterr().err
