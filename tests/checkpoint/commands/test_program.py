"""The program's door: what it loads for a command, and how a wrong start ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint.commands.program import COMMANDS, main

HEAVY = ("numpy", "cupy", "scipy", "matplotlib", "pooch", "psutil", "requests", "PIL")


def loaded_by(code: str) -> list[str]:
    """Which of `HEAVY` a process of its own has loaded after `code`."""
    code += f"\nimport sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import checkpoint.commands.plan",
        "import checkpoint.commands.program",
        "import checkpoint.commands.options",
        "from checkpoint.commands.program import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    print()",
    ],
)
def test_planning_and_the_program_itself_load_nothing_heavy(code: str) -> None:
    lines = loaded_by(code)
    assert [word for word in lines if word in HEAVY] == []


def test_training_loads_something_heavy_and_that_is_noticed() -> None:
    assert "numpy" in loaded_by("import checkpoint.commands.train")


@pytest.mark.parametrize("argv", [[], ["--nonsense"], ["nonsense"], ["--version=3"]])
def test_wrong_start_is_one_line_and_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_each_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert [name for name, summary in COMMANDS.items() if f"{name} {summary}" not in out] == []


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "--data", "sample", "--save", "a", "--json", "a"],
        ["train", "--data", "sample", "--save", "a", "--json", "folder/../a"],
        ["train", "--resume", "a", "--json", "a"],
        ["train", "--data", "a", "--json", "a"],
        ["evaluate", "a", "--json", "a"],
        ["plan", "--budget", "1MiB", "--timeline", "a", "--arena", "a"],
        ["compare", "--figure", "a.png", "--json", "a-timelines.png"],
    ],
    ids=" ".join,
)
def test_one_file_for_two_things_is_one_line_and_nothing_is_written(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a").write_bytes(b"as it was")
    assert main(argv) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "both name" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "folder"]
    assert (tmp_path / "a").read_bytes() == b"as it was"


def test_a_device_takes_any_number_of_outputs() -> None:
    assert main(["plan", "--budget", "1MiB", "--json", os.devnull]) == 0
