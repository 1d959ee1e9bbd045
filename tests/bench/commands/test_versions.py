"""Interpreters are found, and lowest versions are those declared."""

import sys
from pathlib import Path

import pytest

from bench import versions
from tests.bench.commands.reports import rows_of


def test_lowest_versions_are_those_declared() -> None:
    assert versions.lowest(["numpy>=2.0", "x[y]>=1.9,<2"]) == ["numpy==2.0", "x==1.9"]
    with pytest.raises(ValueError, match="wanted a requirement with a lowest version"):
        versions.lowest(["numpy"])


def test_this_python_is_found_where_it_is_given() -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert versions.pythons([f"{version}={sys.executable}"])[version] == sys.executable


def test_tests_that_fail_are_said_and_are_status_1(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = versions.Tested("3.11", True, False, "1 failed", 2.0)
    monkeypatch.setattr(versions, "pythons", lambda given: {"3.11": sys.executable})
    monkeypatch.setattr(versions, "run_tests", lambda *_, **__: failed)
    assert versions.main(["--only-lowest", "--json", str(report)]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert rows_of(report, "versions") == [
        {"python": "3.11", "lowest": True, "passed": False, "said": "1 failed", "seconds": 2.0}
    ]
