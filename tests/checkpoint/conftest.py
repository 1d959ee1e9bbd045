"""What tests of the commands share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkpoint.commands.test_commands import run


@pytest.fixture
def wrong_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[list[str], str], None]:
    """Runs a command in an empty folder: it must end with status 2 and one line that has some words in it; no file."""

    def check(arguments: list[str], words: str) -> None:
        monkeypatch.chdir(tmp_path)
        status, _, error = run(capsys, *arguments)
        assert status == 2
        assert words in error
        assert error.count("\n") == 1
        assert list(tmp_path.iterdir()) == []

    return check
