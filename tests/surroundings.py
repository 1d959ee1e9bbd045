"""What tests do not inherit from the shell that starts them: variables, umask, locale, time zone, tracing, signals.

`tests/conftest.py` calls `settle` before it imports anything that reads the environment, and moves to an empty folder;
processes that tests start inherit all of it. Signals are set by the tests that need them, with `default_signals`: the
test run itself may have been told to ignore them, as by nohup.
"""

import os
import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

KEPT = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV"),
        *("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
        *("CUDA_PATH", "CUDA_VISIBLE_DEVICES", "CUPY_ACCELERATORS", "CUPY_CACHE_DIR"),
    )
)
"""Variables that say where programs, libraries and folders are. Anything else may change a result."""

KEPT_PREFIXES = ("PYTEST_", "MLP_CHECKPOINTING_", "COV_", "COVERAGE_", "EMU_", "CUPY_ON_HOST_")

SET = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def is_kept(variable: str) -> bool:
    """Whether tests see this variable as the shell set it."""
    return variable in KEPT or variable.startswith(KEPT_PREFIXES)


def settle() -> None:
    """Give this process, and those that it starts, the surroundings that the tests are written for."""
    for variable in [variable for variable in os.environ if not is_kept(variable)]:
        del os.environ[variable]
    os.environ.update(SET)
    if hasattr(time, "tzset"):
        time.tzset()
    os.umask(0o022)
    tracemalloc.stop()


@contextmanager
def default_signals() -> Iterator[None]:
    """In the block signals do what they do in a process started from a terminal, here and in processes started here."""
    defaults = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    before = {}
    for name, handler in defaults.items():
        if hasattr(signal, name):
            number = getattr(signal, name)
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
