"""The resident set of this process: the memory that the operating system has given it, arrays and everything else.

It includes BLAS's packing buffers, the interpreter, libraries and what malloc has not returned, so it is reported
beside the array bytes and proves nothing about them. A peak never falls: measure it in a process of its own.
"""

import os
import sys
from pathlib import Path

import psutil

from backend.limits import free_memory_bytes
from backend.select import select_backend


def resident_bytes() -> int:
    """The resident set now, in bytes."""
    return int(psutil.Process(os.getpid()).memory_info().rss)


def free_bytes(backend: str) -> int:
    """Bytes that could be allocated now: in the host's memory for "numpy", in the GPU's for "cupy".

    The host's are those that this process may take: limits of control groups and `ulimit -v` count.
    """
    memory = None if backend == "numpy" else select_backend(backend).device_memory()
    return free_memory_bytes() if memory is None else memory.free_bytes


def peak_resident_bytes() -> int:
    """The most that the resident set has been since the process began, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process(os.getpid()).memory_info().peak_wset)
    if sys.platform == "linux":
        # A child of a large process begins with its parent's ru_maxrss, which survives exec; VmHWM is its own.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
