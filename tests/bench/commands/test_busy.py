"""Loads begin and end with their block. Nothing here asserts a speed."""

from pathlib import Path
from typing import Any

import pytest

from bench import busy
from bench.machine import quota
from bench.steps.cases import CASES, Case
from tests.bench.commands.reports import rows_of

TINY = Case("tiny", "a test", (12, *[16] * 11, 3), 256, every=3, row_block_mib=1, one_extra_mib=1)


def test_busy_compares_threads_under_each_load(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CASES, "classic", TINY)
    options = ["--case", "classic", "--turns", "1", "--seconds", "0.01", "--processes", "1", "--json", str(report)]
    assert busy.main(options) == 0
    rows, printed = rows_of(report, "busy"), capsys.readouterr().out
    assert rows[0]["load"] == "nothing"
    assert all(row["ratio"] == row["default_seconds"] / row["one_thread_seconds"] for row in rows)
    assert len(rows) == 3 or "a quota of 0.5 cores is left out" in printed


def test_competing_processes_run_during_the_block_and_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    plain = busy.subprocess.Popen

    def popen(*arguments: Any, **more: Any) -> Any:
        begun.append(plain(*arguments, **more))
        return begun[-1]

    monkeypatch.setattr(busy.subprocess, "Popen", popen)
    with busy.competing(2):
        assert [one.poll() for one in begun] == [None, None]
    assert all(one.poll() is not None for one in begun)


def test_quota_that_cannot_be_set_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(quota, "_own_group", lambda: tmp_path / "missing")
    with pytest.raises(quota.NoQuota, match="cannot make a control group"), quota.quota(0.5):
        pass
    monkeypatch.setattr(quota, "_own_group", lambda: tmp_path)
    with pytest.raises(quota.NoQuota, match="no processor controller"), quota.quota(0.5):
        pass
    assert list(tmp_path.iterdir()) == []
