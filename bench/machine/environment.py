"""Where a benchmark ran: processor, threads and versions, as a record for its JSON and two lines for its table."""

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from backend import select_backend

DISTRIBUTIONS = ("mlp-checkpointing", "numpy", "cupy-cuda13x", "torch", "jax", "jaxlib", "scikit-learn")

VARIABLES = re.compile(
    r"(OPENBLAS|OMP|GOTO|BLIS|MKL|DNNL|ONEDNN|VECLIB|KMP|GOMP|NPY|ATEN|TORCH|XLA|JAX|MLP_CHECKPOINTING|MALLOC)_\w+|"
    r"PYTHONMALLOC|GLIBC_TUNABLES|CUBLAS\w*|NVIDIA_TF32_OVERRIDE"
)
"""Environment variables that set kernels, threads or allocators."""

SETS_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Those that make NumPy's products slower than the machine's: unset both to measure."""


def environment(backend_name: str = "numpy") -> dict[str, Any]:
    """Processor, cores, threads of each library, the kernels of BLAS, and versions; None for what is not installed.

    `threads`: PyTorch gets as many as BLAS has, JAX takes the cores that this process may run on.
    """
    cores = available_cores()
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "available_cores": cores,
        "threads": {"blas": blas_threads(), "torch": blas_threads(), "jax": cores},
        "blas": blas(),
        "variables": variables(),
        "device": select_backend(backend_name).device_name,
        "system": platform.platform(),
        "versions": versions(),
    }


def headline(found: dict[str, Any]) -> str:
    """The environment in a few lines, one for the variables that are set."""
    installed = ", ".join(f"{name} {version}" for name, version in found["versions"].items() if version)
    kernels = ", ".join(f"{info['internal_api']} {info['architecture'] or ''}".strip() for info in found["blas"])
    threads = ", ".join(f"{name} {count}" for name, count in found["threads"].items())
    lines = [f"{found['processor']}, {found['available_cores']} cores; BLAS: {kernels}; threads: {threads}", installed]
    if found["variables"]:
        lines.append("set: " + ", ".join(f"{name}={value}" for name, value in found["variables"].items()))
    forced = [name for name in SETS_KERNELS if name in found["variables"]]
    if forced:
        lines.append(f"{' and '.join(forced)} set BLAS's kernels: unset them to measure this machine's products")
    return "\n".join(lines)


def variables() -> dict[str, str]:
    """The environment variables that set kernels, threads or allocators."""
    return {name: value for name, value in sorted(os.environ.items()) if VARIABLES.fullmatch(name)}


def blas() -> list[dict[str, Any]]:
    """What NumPy multiplies with: library, version, the kernel it chose for this processor, and threads."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return [
        {key: info.get(key) for key in ("internal_api", "version", "architecture", "threading_layer", "num_threads")}
        for info in threadpoolctl.threadpool_info()
        if info.get("user_api") == "blas"
    ]


def blas_threads() -> int:
    """How many threads NumPy's products run on."""
    return max((int(info["num_threads"]) for info in blas()), default=1)


def available_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()


def versions() -> dict[str, str | None]:
    """The version of Python and of each library, None where it is not installed."""
    found: dict[str, str | None] = {"python": sys.version.split()[0]}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
