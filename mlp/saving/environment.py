"""What the last bits of a result depend on beside the program: versions, BLAS, threads, device."""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from backend import Backend

BIT_RELEVANT = ("backend", "device", "machine", "numpy", "numba", "cupy", "blas", "blas_threads")
"""The facts of which a change may change the last bits of a result. The others are for the reader."""


def environment(backend: Backend) -> dict[str, str]:
    """The facts of this process, as text by name. BLAS is asked anew each time: its thread count may have changed."""
    import platform

    blas = blas_libraries()
    facts = {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "numba": _version("numba"),
        "blas": ", ".join(sorted(_name(library) for library in blas)),
        "blas_threads": ", ".join(sorted(str(library["num_threads"]) for library in blas)),
        "backend": backend.name,
        "device": backend.device_name,
        "mlp-checkpointing": _version("mlp-checkpointing"),
    }
    if backend.name == "cupy":
        facts["cupy"] = str(getattr(sys.modules.get("cupy"), "__version__", ""))
    return facts


def differences(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """What has changed of that which the last bits depend on, such as `blas_threads 4, was 2`."""
    return [
        f"{name} {now.get(name) or 'unknown'}, was {then.get(name) or 'unknown'}"
        for name in BIT_RELEVANT
        if now.get(name) != then.get(name)
    ]


def blas_libraries() -> list[dict[str, Any]]:
    """threadpoolctl's record of NumPy's BLAS; of each BLAS of this process where NumPy did not bring its own."""
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return [library for library in found if "numpy" in library["filepath"]] or found


def _name(library: dict[str, Any]) -> str:
    parts = (library["internal_api"], library.get("version"), library.get("architecture"))
    return " ".join(str(part) for part in parts if part)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return ""
