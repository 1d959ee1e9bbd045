"""The acceptance run outlives its groups: whatever becomes of a process, no row is lost. No GPU is needed here.

Groups are small programs that print rows and then die as a group may.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.gpu_acceptance import __main__ as gpu_acceptance
from bench.gpu_acceptance.groups import ALL_SECONDS, ENVIRONMENT, GROUPS
from bench.gpu_acceptance.processes import Refused, rows_of_process
from bench.gpu_acceptance.report import Report, memory_rows
from bench.gpu_acceptance.rows import CRASHED, FAILED, LEFT_OUT, OK, Row, checked, left_out, measured, to_the_end

FIRST = checked("bytes", "none", True, "as predicted", {"predicted_peak_bytes": 512})
PRINTS = f"import os, signal, sys, time\nprint({json.dumps(FIRST.as_json())!r}, flush=True)\n"


def rows_of_program(program: str, *, seconds: float = 20) -> list[Row]:
    return [*rows_of_process("bytes", [sys.executable, "-c", program], seconds=seconds)]


def test_rows_arrive_as_they_were_made() -> None:
    assert rows_of_program(PRINTS) == [FIRST]


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL, after 1 rows"),
        ("sys.exit('illegal address')", "ended with status 1, after 1 rows; it said last: illegal address"),
        (
            "raise ZeroDivisionError('by zero')",
            "ended with status 1, after 1 rows; it said last: ZeroDivisionError: by zero",
        ),
        ("print('{\"group\": \"by', end='', flush=True); os.abort()", "ended by SIGABRT, after 1 rows"),
        ("print('no row'); sys.exit(2)", "ended with status 2, after 1 rows"),
    ],
    ids=["killed", "says why", "raises", "in the middle of a row", "another status"],
)
def test_process_that_dies_leaves_its_rows_and_one_that_says_how(end: str, how: str) -> None:
    first, last = rows_of_program(PRINTS + end)
    assert first == FIRST
    assert (last.verdict, last.passed, last.detail) == (CRASHED, False, how)
    assert last.figures["rows_before"] == 1


def test_process_that_hangs_is_killed_with_what_it_has_started() -> None:
    child = "import time; time.sleep(60)"
    program = PRINTS + f"import subprocess\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)"
    begun = time.monotonic()
    first, last = rows_of_program(program, seconds=0.7)  # whose end of the pipe the child holds too
    assert time.monotonic() - begun < 10
    assert (first, last.verdict) == (FIRST, CRASHED)
    assert last.detail == "did not end within 1 s and was killed, after 1 rows"


def test_process_without_a_gpu_is_refused() -> None:
    with pytest.raises(Refused, match="there is no NVIDIA driver"):
        rows_of_program("import sys; print('there is no NVIDIA driver', file=sys.stderr); sys.exit(2)")


# The command


def acceptance(
    monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], *arguments: str, path: Path | None = None
) -> tuple[int, list[dict[str, Any]]]:
    """The status and the JSON's rows of a run in which every group is one of these programs, by default one row."""

    def command(name: str, args: argparse.Namespace, seconds: float) -> list[str]:
        row = measured(name, "device", "a device", {"device": "a device"}) if name == ENVIRONMENT else FIRST
        return [sys.executable, "-c", programs.get(name, f"print({json.dumps(row.as_json())!r})")]

    monkeypatch.setattr(gpu_acceptance, "command", command)
    status = gpu_acceptance.main([*arguments, *([] if path is None else ["--json", str(path)])])
    return status, json.loads(path.read_text())["rows"] if path else []


def test_group_that_dies_is_status_1_and_the_others_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "acceptance.json"
    only = ["--only", "parity", "--only", "bytes", "--only", "limit"]
    dies = {"bytes": PRINTS + "os.kill(os.getpid(), signal.SIGKILL)"}
    status, rows = acceptance(monkeypatch, dies, *only, path=path)
    assert status == 1
    assert [row["verdict"] for row in rows] == [OK, OK, CRASHED, OK]
    record = json.loads(path.read_text())
    assert (record["complete"], record["passed"], record["environment"]) == (True, False, {"device": "a device"})
    said = capsys.readouterr()
    assert said.err == "CRASHED: bytes, its process: ended by SIGKILL, after 1 rows\n"
    assert "3 of 4 checks hold" in said.out
    assert "; 1 CRASHED" in said.out


def test_json_is_whole_after_every_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A group sees the file as it is while the group runs: the rows before are there, and its own first one soon."""
    path = tmp_path / "acceptance.json"
    looks = f"""
import json
for _ in range(200):
    record = json.load(open({str(path)!r}))
    if len(record["rows"]) == 2: break
    time.sleep(0.02)
sys.exit(0 if len(record["rows"]) == 2 and record["complete"] is False else 5)
"""
    status, rows = acceptance(monkeypatch, {"bytes": PRINTS + looks}, "--only", "parity", "--only", "bytes", path=path)
    assert (status, len(rows)) == (0, 2)


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (checked("bytes", "none", False, "512 too many"), 1),
        (measured("bytes", "none", "512"), 2),
        (left_out("bytes", "none", "the GPU is busy"), 2),
    ],
    ids=["failed", "measured", "left out"],
)
def test_status_says_what_was_found(monkeypatch: pytest.MonkeyPatch, row: Row, status: int) -> None:
    program = f"print({json.dumps(row.as_json())!r})"
    assert acceptance(monkeypatch, {"bytes": program}, "--only", "bytes") == (status, [])


def test_no_gpu_is_one_line_and_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; print('there is no NVIDIA driver; install one', file=sys.stderr); sys.exit(2)"
    assert acceptance(monkeypatch, {ENVIRONMENT: program}) == (2, [])
    assert capsys.readouterr().err == "bench.gpu_acceptance: error: there is no NVIDIA driver; install one\n"


def test_json_that_cannot_be_written_is_said_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert gpu_acceptance.main(["--json", str(tmp_path)]) == 2
    assert "it is a folder" in capsys.readouterr().err


def test_run_that_is_late_leaves_groups_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Report, "seconds", property(lambda self: ALL_SECONDS - 10.0))
    status, rows = acceptance(monkeypatch, {}, "--only", "bytes", path=tmp_path / "acceptance.json")
    assert (status, [row["verdict"] for row in rows]) == (2, [LEFT_OUT])


def test_all_of_it_takes_less_than_8_minutes() -> None:
    assert ALL_SECONDS + 20 < 8 * 60
    assert all(group.seconds <= 90 for group in GROUPS.values())
    assert next(iter(GROUPS)) == ENVIRONMENT


# Rows


def failing(error: Exception) -> Iterator[Row]:
    yield FIRST
    raise error


class CUDARuntimeError(RuntimeError):
    """As CuPy's: it has a status."""

    status = 2


class OutOfMemoryError(RuntimeError):
    """As PyTorch's."""


def test_group_that_raises_is_a_failed_row_and_not_the_end() -> None:
    first, second = to_the_end("bytes", failing(ZeroDivisionError("by zero")), deadline=time.monotonic() + 60)
    assert (first, second.verdict) == (FIRST, FAILED)
    assert second.detail == "ended early: ZeroDivisionError: by zero"


@pytest.mark.parametrize(
    "error", [MemoryError("all taken"), CUDARuntimeError("all taken"), OutOfMemoryError("all taken")]
)
@pytest.mark.parametrize("inside", [False, True])
def test_full_gpu_is_left_out(error: Exception, inside: bool) -> None:
    raised = RuntimeError("a step failed") if inside else error
    if inside:
        raised.__cause__ = error
    first, second = to_the_end("bytes", failing(raised), deadline=time.monotonic() + 60)
    assert (first, second.verdict) == (FIRST, LEFT_OUT)
    assert "the GPU is too small or busy" in second.detail


def test_group_begins_no_row_after_its_time() -> None:
    rows = [*to_the_end("bytes", iter([FIRST, FIRST]), deadline=time.monotonic() - 1)]
    assert [row.verdict for row in rows] == [OK, LEFT_OUT]


def test_pool_stands_beside_what_pytorch_reserves() -> None:
    rows = [
        checked("deep, ours", "plain: bytes", True, "", {"driver_bytes": 300}),
        checked("deep, ours", "sqrt: bytes", True, "", {"driver_bytes": 100}),
        measured("deep, PyTorch", "PyTorch eager: bytes", "", {"driver_bytes": 400}),
        checked("long, ours", "plain: bytes", True, "", {"driver_bytes": 300}),
    ]
    found = [*memory_rows(rows)]
    assert [(row.name, row.figures["ratio"]) for row in found] == [("deep, plain", 0.75), ("deep, sqrt", 0.25)]
