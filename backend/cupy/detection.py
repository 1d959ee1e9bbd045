"""Whether CuPy can compute here and, if not, for which reason. CuPy is imported when asked for, not before.

`cupy.is_available()` would only say no. Each case has a message and a remedy of its own: CuPy is not installed; it is
built for ROCm; its cache cannot be written to; there is no driver for the GPU, or too old a one; there is no GPU; the
GPU's memory is full, or limited by CUPY_GPU_MEMORY_LIMIT; CUDA's libraries are missing. The last ones show only in use,
so something small is computed, once on each device.
"""

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from backend.cupy.remedies import CHOOSE_NUMPY, READ_NVIDIA_SMI, install_cupy, install_libraries, match_driver
from backend.errors import BackendUnavailable, OutOfDeviceMemory

INSUFFICIENT_DRIVER = 35
"""cudaErrorInsufficientDriver: there is no driver, or it is older than the CUDA that CuPy was built for."""

NO_DEVICE = 100
"""cudaErrorNoDevice."""

OUT_OF_MEMORY = {"CUDARuntimeError": (2,), "CUDADriverError": (2,), "CUBLASError": (3,)}
"""What CUDA's libraries answer where the GPU has no memory left: the status, by the name of CuPy's error."""

CUBLAS_NOT_INITIALIZED = 1
"""What cuBLAS answers where it cannot begin: mostly for lack of memory, else for lack of a library."""

CUBLAS_BYTES = 2**28
"""With less free memory than this, a cuBLAS that cannot begin is taken to lack memory."""


def import_cupy() -> Any:
    """The module `cupy`; raises `BackendUnavailable` if it is not installed, cannot be loaded, or is for ROCm."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            raise BackendUnavailable("CuPy is not installed", install_cupy()) from error
        raise BackendUnavailable(f"CuPy's installation lacks the module {error.name}", install_libraries()) from error
    except ImportError as error:
        raise BackendUnavailable(f"CuPy cannot be loaded ({_one_line(error)})", install_libraries()) from error
    except OSError as error:
        if _concerns_the_cache(error):
            raise _unwritable_cache(error) from error
        raise BackendUnavailable(f"CuPy cannot be loaded ({_one_line(error)})", install_libraries()) from error
    if cupy.cuda.runtime.is_hip:
        raise BackendUnavailable("this CuPy is built for ROCm, not for CUDA", f"use CuPy for CUDA, or {CHOOSE_NUMPY}")
    return cupy


def count_devices() -> int:
    """How many CUDA devices there are, at least one; raises `BackendUnavailable` if there is none, saying why."""
    runtime = import_cupy().cuda.runtime
    try:
        count = int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError as error:
        if error.status == INSUFFICIENT_DRIVER:
            raise _driver_missing(runtime) from error
        if error.status != NO_DEVICE:
            raise BackendUnavailable(f"CUDA does not start ({_one_line(error)})", READ_NVIDIA_SMI) from error
        count = 0
    if count == 0:
        raise BackendUnavailable(
            "there is a driver but no CUDA device", "see what nvidia-smi lists, and that CUDA_VISIBLE_DEVICES names one"
        )
    return count


def usable_device(number: int | None = None) -> int:
    """The number of a device that has been seen to compute: `number`, or the first.

    Raises `BackendUnavailable`, with the reason and the remedy.
    """
    count = count_devices()
    number = 0 if number is None else number
    if not 0 <= number < count:
        listed = "1 device, number 0" if count == 1 else f"{count} devices, numbers 0 to {count - 1}"
        raise BackendUnavailable(f"there is no CUDA device {number}", f"choose from {listed}")
    _compute_something(number)
    return number


@functools.cache
def _compute_something(number: int) -> None:
    """Run a matrix product and a kernel on a device; raise `BackendUnavailable` if that fails."""
    from backend.cupy.kernels.elementwise import apply_gradient
    from backend.cupy.kernels.gemm import gemm
    from backend.cupy.pool import pool_of

    try:
        pool = pool_of(number)
        with pool.allocating():
            cupy = import_cupy()
            a, b = cupy.asarray(np.array([[1, 2], [3, 4]], "float32")), cupy.asarray(np.ones((2, 2), "float32"))
            gemm(a, a, out=b)
            apply_gradient(b, a, -1.0)
            values = b.get().tolist()
            del a, b
        pool.give_back()
    except Exception as error:  # what is missing shows in many ways
        raise _cannot_compute(number, error) from error
    if values != [[8, 12], [18, 26]]:
        raise BackendUnavailable(f"CuPy computes wrong values on device {number}", install_libraries())


def _cannot_compute(number: int, error: Exception) -> BackendUnavailable:
    """Why a device failed to compute something small."""
    if isinstance(error, OutOfDeviceMemory) and error.limit_name is not None:
        return BackendUnavailable(
            f"nothing can be allocated on CUDA device {number}: {error.limit_name} is {error.limit_bytes:,} bytes",
            f"raise {error.limit_name}, or unset it",
        )
    free_bytes = _free_bytes(number)
    if _lacks_memory(error, free_bytes):
        left = "has no memory left" if free_bytes is None else f"has no memory left but {free_bytes:,} bytes"
        return BackendUnavailable(
            f"CUDA device {number} {left} ({_one_line(error)})",
            "end what else uses it, which nvidia-smi lists, or choose another with --device",
        )
    if isinstance(error, OSError) and _concerns_the_cache(error):
        return _unwritable_cache(error)
    return BackendUnavailable(f"CuPy cannot compute on device {number} ({_one_line(error)})", install_libraries())


def _lacks_memory(error: Exception, free_bytes: int | None) -> bool:
    status = getattr(error, "status", None)
    if isinstance(error, MemoryError) or status in OUT_OF_MEMORY.get(type(error).__name__, ()):
        return True
    not_begun = type(error).__name__ == "CUBLASError" and status == CUBLAS_NOT_INITIALIZED
    return not_begun and free_bytes is not None and free_bytes < CUBLAS_BYTES


def _free_bytes(number: int) -> int | None:
    """The device's free bytes; None where it doesn't even say."""
    cupy = import_cupy()
    try:
        with cupy.cuda.Device(number):
            return int(cupy.cuda.runtime.memGetInfo()[0])
    except cupy.cuda.runtime.CUDARuntimeError:
        return None


def _cache_folder() -> Path:
    """Where CuPy keeps compiled kernels."""
    return Path(os.environ.get("CUPY_CACHE_DIR", "~/.cupy/kernel_cache")).expanduser()


def _concerns_the_cache(error: OSError) -> bool:
    """Whether an error is about CuPy's cache: a file in it, a folder above it, or a full disk, which names no file."""
    folder = _cache_folder()
    paths = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if name is not None]
    if not paths:
        return error.strerror is not None  # None for a library that cannot be loaded
    return any(path.is_relative_to(folder) or folder.is_relative_to(path) for path in paths)


def _unwritable_cache(error: OSError) -> BackendUnavailable:
    return BackendUnavailable(
        f"CuPy's cache of compiled kernels, {_cache_folder()}, cannot be written to ({error.strerror or error})",
        "set CUPY_CACHE_DIR to a folder that can",
    )


def _driver_missing(runtime: Any) -> BackendUnavailable:
    version, wanted = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if version == 0:
        return BackendUnavailable("there is no NVIDIA driver", f"install one, or {CHOOSE_NUMPY}")
    return BackendUnavailable(
        f"the NVIDIA driver is for CUDA {_dotted(version)}, CuPy for {_dotted(wanted)}", match_driver(version)
    )


def _dotted(version: int) -> str:
    """
    >>> _dotted(12040), _dotted(13020)
    ('12.4', '13.2')
    """
    return f"{version // 1000}.{version % 1000 // 10}"


def _one_line(error: BaseException) -> str:
    """The last line of an error's message that says something, with the error's name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =\t")]
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__
