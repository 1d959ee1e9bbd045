"""What all commands share."""

from pathlib import Path
from typing import Any

import pytest

from bench import busy, memory, momentum, startup, training, versions
from bench.plans import __main__ as plans


@pytest.mark.parametrize("module", [startup, memory, busy, training, momentum, versions, plans])
def test_json_that_cannot_be_written_is_refused_before_the_work(module: Any, tmp_path: Path) -> None:
    assert module.main(["--json", str(tmp_path / "missing" / "report.json")]) == 2
