"""Tests inherit nothing: shown in processes that are started with everything set in odd ways."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import surroundings

ROOT = Path(__file__).parents[1]

ODD = {
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "C",
    "MPLBACKEND": "nonsense",
    "PYTHONTRACEMALLOC": "1",
    "OMP_NUM_THREADS": "1",
}

SETTLED = """
import os, time, tracemalloc
os.umask(0o077)
from tests import surroundings
surroundings.settle()
odd = [name for name in ("MPLBACKEND", "OMP_NUM_THREADS", "PYTHONTRACEMALLOC") if name in os.environ]
print(os.umask(0), time.tzname[0], tracemalloc.is_tracing(), odd)
"""

SIGNALLED = """
import os, signal
from tests import surroundings
assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
with surroundings.default_signals():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("arrived")
os.kill(os.getpid(), signal.SIGINT)
print("ignored")
"""


def test_process_with_odd_surroundings_settles():
    done = subprocess.run(
        [sys.executable, "-c", SETTLED], env=os.environ | ODD, cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{0o022} UTC False []\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_signal_that_the_run_ignores_arrives_where_a_test_needs_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the process inherits
    try:
        done = subprocess.run([sys.executable, "-c", SIGNALLED], cwd=ROOT, check=True, capture_output=True, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.stdout == "arrived\nignored\n"


def test_folders_are_kept_and_settings_are_not():
    assert surroundings.is_kept("PATH")
    assert surroundings.is_kept("EMU_LATE")
    assert not any(surroundings.is_kept(variable) for variable in ODD)


def test_tests_begin_in_an_empty_folder_of_their_own():
    assert not list(Path.cwd().iterdir())
    assert ROOT not in (Path.cwd(), *Path.cwd().parents)


SENDS = re.compile(r"(?:signal\.|\")SIG(?:INT|TERM|HUP)\b")
SENDERS = [
    path for path in sorted((ROOT / "tests").rglob("test_*.py")) if SENDS.search(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("path", SENDERS, ids=[path.stem for path in SENDERS])
def test_who_sends_signals_asks_for_their_defaults(path: Path) -> None:
    assert "default_signals" in path.read_text(encoding="utf-8")
