"""Start-up is measured in processes of their own. Nothing here asserts a speed."""

from pathlib import Path

import pytest

from bench import startup
from bench.steps.cases import MIB
from tests.bench.commands.reports import rows_of


def test_startup_measures_processes_of_their_own(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert startup.main(["--repeats", "1", "--no-peers", "--json", str(report)]) == 0
    rows = {row["name"]: row for row in rows_of(report, "startup")}
    assert list(rows) == ["Python alone", "import numpy", "planning alone", "classic step"]
    assert rows["Python alone"]["resident_bytes"] < rows["import numpy"]["resident_bytes"]
    assert rows["planning alone"]["resident_bytes"] < rows["classic step"]["resident_bytes"]
    assert rows["import numpy"]["within"] is None
    assert "classic step" in capsys.readouterr().out


def test_startup_over_a_limit_is_not_within() -> None:
    assert startup.Started("x", 0.2, 45 * MIB, 0.25, 45 * MIB).within
    assert startup.Started("x", 0.3, 45 * MIB, 0.25, 45 * MIB).within is False
    assert startup.Started("x", 0.2, 45 * MIB + 1, 0.25, 45 * MIB).within is False
