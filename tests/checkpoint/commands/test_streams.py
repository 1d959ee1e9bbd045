"""Standard output that cannot be written never ends a run: nothing is lost but the text, and that is said."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint.commands.streams import SafeStream, safe_streams
from tests.checkpoint.commands.test_commands import TINY

TRAIN = ["train", *TINY, "--epochs", "3", "--save", "run.state", "--json", "run.json"]
NEEDS_FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "checkpoint", *arguments]


def whole(folder: Path) -> bool:
    """Whether a run's state and report are there."""
    return (folder / "run.state").exists() and json.loads((folder / "run.json").read_text())["command"] == "train"


def test_encoding_that_lacks_a_character_is_written_with_escapes(tmp_path: Path) -> None:
    folder = tmp_path / "\u65e5\u672c"
    folder.mkdir()
    arguments = [*TRAIN[:-4], "--save", str(folder / "run.state"), "--json", str(folder / "run.json")]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    ended = subprocess.run(command(*arguments), env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"\\u65e5\\u672c" in ended.stdout
    assert whole(folder)


def test_reader_that_goes_does_not_end_the_training(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(*TRAIN), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert said == "mlp-checkpointing: error: standard output could not be written (Broken pipe); all else was done\n"
    assert whole(tmp_path)


@NEEDS_FULL
@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")])
def test_full_disk_under_the_log_does_not_end_the_training(streams: tuple[str, ...], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        targets = {"stderr": subprocess.PIPE} | dict.fromkeys(streams, full)
        ended = subprocess.run(command(*TRAIN), cwd=tmp_path, text=True, check=False, **targets)
    assert ended.returncode == 1
    if "stderr" not in streams:
        problem = "standard output could not be written (No space left on device); all else was done"
        assert ended.stderr == f"mlp-checkpointing: error: {problem}\n"
    assert whole(tmp_path)


@NEEDS_FULL
@pytest.mark.parametrize("arguments", [("--help",), ("plan", "--help"), ("--version",)], ids=" ".join)
def test_help_that_cannot_be_written_is_said(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    problem = "standard output could not be written (No space left on device)"
    assert (ended.returncode, ended.stderr) == (1, f"mlp-checkpointing: error: {problem}\n")


@NEEDS_FULL
def test_warning_that_cannot_be_written_does_not_end_the_training(tmp_path: Path) -> None:
    program = (
        "import os, sys; import mlp.saving.write as write; from checkpoint.commands.program import main\n"
        "plain, saves = write.replaced, []\n"
        "def fail_once(path, **options):\n"
        "    saves.append(path)\n"
        "    if len(saves) == 2: raise OSError(28, 'No space left on device')\n"
        "    return plain(path, **options)\n"
        "write.replaced = fail_once\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([sys.executable, "-c", program, *TRAIN], cwd=tmp_path, stderr=full, check=False)
    assert ended.returncode == 0
    assert whole(tmp_path)


def test_closed_output_is_no_output(tmp_path: Path) -> None:
    line = " ".join([*command(*TRAIN), ">&-", "2>&-"])
    assert subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=False).returncode == 0
    assert whole(tmp_path)


def test_stream_notes_its_first_failure_and_is_quiet_after_it() -> None:
    class Fails(io.StringIO):
        written = 0

        def write(self, text: str) -> int:
            self.written += 1
            raise OSError(f"failure {self.written}")

    inner = Fails()
    stream = SafeStream(inner)
    assert stream.write("abc") == 3
    stream.write("def")
    stream.flush()
    stream.end()
    assert str(stream.failure) == "failure 1"
    assert inner.written == 1


def test_streams_are_those_of_before_afterwards() -> None:
    before = sys.stdout, sys.stderr
    with safe_streams() as output:
        assert sys.stdout is output
    assert (sys.stdout, sys.stderr) == before
