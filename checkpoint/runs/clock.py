"""When this process began, on the clock that everything else is timed with."""

import os
import time
from pathlib import Path

import psutil

_START_TIME = 19
"""The field of /proc/self/stat that has the process's start, in ticks since boot, counted from behind its name."""


def process_begun() -> float:
    """The time of `time.perf_counter` at which the system started this process; on Linux to a hundredth of a second."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError):  # not Linux
        age = time.time() - psutil.Process().create_time()
    return time.perf_counter() - max(age, 0.0)
