"""The smallest limits of ours; peers are not asked here. Nothing here asserts a size."""

from pathlib import Path

import pytest

from bench import limits
from bench.steps.cases import Case
from tests.bench.commands.reports import rows_of

TINY = Case("tiny", "a test", (12, *[16] * 11, 3), 256, every=3, row_block_mib=1, one_extra_mib=1)


def test_each_way_has_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(limits.CASES, "ragged", TINY)
    monkeypatch.setattr(limits, "absent_peers", lambda: dict.fromkeys(limits.PEERS, "not asked"))
    assert limits.main(["--case", "ragged", "--steps", "1", "--json", str(report)]) == 0
    rows = rows_of(report, "limits")
    assert [row["way"] for row in rows] == ["ours, the smallest plan", "ours, in twice its bytes"]
    assert all(row["peak_bytes"] > 2**24 for row in rows)
    assert "PyTorch eager is left out: not asked" in capsys.readouterr().out
