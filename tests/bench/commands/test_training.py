"""A training run is accounted for. Nothing here asserts a speed."""

from pathlib import Path

import pytest

from bench import training
from tests.bench.commands.reports import rows_of


def test_training_accounts_for_the_whole_wall(report: Path) -> None:
    options = ["--data", "sample", "--epochs", "1", "--repeats", "1", "--json", str(report)]
    assert training.main(options) == 0
    (row,) = rows_of(report, "training")
    known = sum(row[f"{what}_seconds"] for what in ("step", "batch", "evaluation", "loading"))
    assert 0 < known < row["wall_seconds"]
    assert 0 < row["share"] < 1


def test_training_that_fails_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert training.main(["--data", "no/such/file.npz", "--repeats", "1"]) == 1
    assert "error" in capsys.readouterr().err
