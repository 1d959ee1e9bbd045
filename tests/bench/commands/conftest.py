"""Commands that measure, on a machine that says it is quiet."""

from pathlib import Path

import pytest

from bench import command
from bench.machine.quiet import Quiet


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "look_around", lambda: Quiet(0.0, 0.0, 0.0, ()))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.json"
