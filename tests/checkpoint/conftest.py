"""What tests of the commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from checkpoint.commands import program
from tests.checkpoint.advised import foreign_options
from tests.checkpoint.commands.test_commands import run


@pytest.fixture(autouse=True)
def _errors_name_options_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever error of a command a test provokes in this process: each option in it is one of that command's."""
    command, status, fail = [""], program._status, program._fail

    def begun(arguments: Sequence[str]) -> int:
        command[0] = next(iter(arguments), "")
        return status(list(arguments))

    def failed(message: str, code: int) -> int:
        assert foreign_options(command[0], message) == [], f"{command[0]}: {message}"
        return fail(message, code)

    monkeypatch.setattr(program, "_status", begun)
    monkeypatch.setattr(program, "_fail", failed)


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
