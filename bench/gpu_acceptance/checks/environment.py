"""Where an acceptance run's figures come from: the GPU, its driver, and the versions of everything."""

import os
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.rows import Row, measured
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.torch_ways import torch_on_gpu
from checkpoint.units import format_bytes

STAND_IN = "CUPY_ON_HOST_LIB"
"""The environment variable that the stand-in sets."""


def is_stand_in(backend: CupyBackend) -> bool:
    """Whether the device is host memory, whose times mean nothing."""
    return bool(os.environ.get(STAND_IN)) or "no GPU" in backend.device_name


def environment(setting: Setting) -> Iterator[Row]:
    """One row, whose figures are the environment."""
    backend = setting.backend
    found = environment_of(backend)
    yield measured("environment", found["device"], heading(found), found)


def environment_of(backend: CupyBackend) -> dict[str, Any]:
    """The figures."""
    import cupy

    runtime, memory, stand_in = cupy.cuda.runtime, backend.device_memory(), is_stand_in(backend)
    return {
        "device": backend.device_name,
        "stand_in": stand_in,
        "compute_capability": str(backend.device.compute_capability),
        "total_bytes": memory.total_bytes,
        "free_bytes": memory.free_bytes,
        "outside_bytes": memory.outside_bytes,
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "python": sys.version.split()[0],
        "numpy": metadata.version("numpy"),
        "cupy": cupy.__version__,
        "torch": None if stand_in else torch_on_gpu(),
    }


def heading(found: dict[str, Any]) -> str:
    """The lines that a report begins with."""
    torch = found["torch"]
    stand_in = "\na stand-in in host memory: results and bytes are checked, and no time of it means anything"
    return (
        f"{found['device']}, compute capability {found['compute_capability']}, "
        f"{format_bytes(found['total_bytes'])}, {format_bytes(found['free_bytes'])} free\n"
        f"CUDA driver {found['driver']}, runtime {found['runtime']}; CuPy {found['cupy']}, "
        f"NumPy {found['numpy']}, Python {found['python']}, "
        f"{f'PyTorch {torch}' if torch else 'no PyTorch on this GPU'}{stand_in if found['stand_in'] else ''}"
    )
