"""Runs a command that prints rows, and passes them on as they come: its death is a row too, and loses none before it.

No GPU and no arrays here.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO

from bench.gpu_acceptance.rows import CRASHED, Row

LAST_CHARACTERS = 300
"""Of what a process that died said last."""


class Refused(Exception):
    """A process that ended with status 2 before its first row: its last line, which says why."""


def rows_of_process(group: str, command: Sequence[str], *, seconds: float) -> Iterator[Row]:
    """The rows of `group` that `command` prints, as lines of JSON on its standard output.

    It is killed after so many `seconds`, with whatever it has started. A process that is killed, or ends with another
    status than 0, leaves a crashed row behind those that it printed. Raises `Refused`.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True)
        late = threading.Event()

        def kill() -> None:
            late.set()
            _kill_all(process)

        timer = threading.Timer(seconds, kill)
        timer.start()
        n_rows = 0
        try:
            assert process.stdout is not None
            for line in process.stdout:
                try:
                    row = Row.from_json(json.loads(line))
                except (ValueError, TypeError):  # cut off in the middle by what killed it, or no row at all
                    continue
                n_rows += 1
                yield row
            status = process.wait()
        finally:
            timer.cancel()
            _kill_all(process)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        if status == 0 and not late.is_set():
            return
        last = _last_words(said)
        if status == 2 and n_rows == 0:
            raise Refused(last)
        how = f"did not end within {seconds:.0f} s and was killed" if late.is_set() else _ended(status)
        yield Row(
            group,
            "its process",
            CRASHED,
            f"{how}, after {n_rows} rows{f'; it said last: {last}' if last else ''}",
            {"status": status, "rows_before": n_rows},
        )


def _kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a process and what it has started, as compilers that outlive it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _ended(status: int) -> str:
    """How a process ended.

    >>> _ended(-11), _ended(3)
    ('ended by SIGSEGV', 'ended with status 3')
    """
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _last_words(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - 8192))
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][-LAST_CHARACTERS:] if lines else ""
