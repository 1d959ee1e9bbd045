"""The resident set is compared with what was promised."""

from pathlib import Path

import pytest

from bench import memory
from bench.steps.cases import CASES, MIB, Case
from bench.steps.promised import promised_bytes
from checkpoint import square_root
from tests.bench.commands.reports import rows_of


def test_memory_compares_the_resident_set_with_what_was_promised(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case("tiny", "a test", (256, *[256] * 11, 10), 4096, every=3, row_block_mib=16, one_extra_mib=16)
    monkeypatch.setitem(CASES, "deep", case)
    assert memory.main(["--case", "deep", "--steps", "1", "--json", str(report)]) == 0
    rows = rows_of(report, "memory")
    assert [row["way"] for row in rows][:2] == ["plain", "sqrt"]
    assert rows[0]["promised_bytes"] == promised_bytes(None, case.chain)
    assert rows[1]["promised_bytes"] == promised_bytes(square_root(n_layers=12), case.chain)
    assert all(0.9 < row["ratio"] < 3 for row in rows)
    assert "within: at most 1.02 times" in capsys.readouterr().out


def test_growth_over_the_limit_is_not_within() -> None:
    promised = 100 * MIB
    assert memory.Growth("deep", "plain", promised, 103 * MIB, 200 * MIB, True).within
    assert not memory.Growth("deep", "plain", promised, 103 * MIB + 1, 200 * MIB, True).within
