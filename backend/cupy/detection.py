"""Whether CuPy can compute here and, if not, which of the reasons it is. CuPy is imported when asked, not before.

`cupy.is_available()` would only say no. There are four cases, each with a remedy of its own: CuPy is not installed;
there is no driver for the GPU, or too old a one; there is no GPU; CUDA's libraries are missing. The last shows only in
use, so something small is computed, once for each device.
"""

import functools
from typing import Any

import numpy as np

from backend.errors import BackendUnavailable

INSUFFICIENT_DRIVER = 35
"""cudaErrorInsufficientDriver: there is no driver, or it is older than the CUDA that CuPy was built for."""

NO_DEVICE = 100
"""cudaErrorNoDevice."""

LIBRARIES = 'install CUDA\'s libraries: pip install "cupy-cuda13x[ctk]"'


def import_cupy() -> Any:
    """The module `cupy`; raises `BackendUnavailable` if it is not installed or cannot be loaded."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            raise BackendUnavailable(
                "CuPy is not installed", 'install it: pip install "mlp-checkpointing[cupy]"'
            ) from error
        raise BackendUnavailable(f"CuPy's installation lacks the module {error.name}", LIBRARIES) from error
    except ImportError as error:
        raise BackendUnavailable(f"CuPy cannot be loaded ({_one_line(error)})", LIBRARIES) from error
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
            raise BackendUnavailable(f"CUDA does not start ({_one_line(error)})", "see what nvidia-smi says") from error
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


def _driver_missing(runtime: Any) -> BackendUnavailable:
    version, wanted = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if version == 0:
        return BackendUnavailable("there is no NVIDIA driver", "install one, or choose --backend numpy")
    return BackendUnavailable(
        f"the NVIDIA driver is for CUDA {_dotted(version)}, CuPy for {_dotted(wanted)}",
        "update the driver, or install the CuPy for its version",
    )


def _dotted(version: int) -> str:
    """
    >>> _dotted(12040), _dotted(13020)
    ('12.4', '13.2')
    """
    return f"{version // 1000}.{version % 1000 // 10}"


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
    except MemoryError as error:
        raise BackendUnavailable(
            f"CUDA device {number} has no memory left ({_one_line(error)})", "end what else uses it, or choose another"
        ) from error
    except Exception as error:  # a missing library shows in many ways, and each is the same case here
        raise BackendUnavailable(f"CuPy cannot compute on device {number} ({_one_line(error)})", LIBRARIES) from error
    if values != [[8, 12], [18, 26]]:
        raise BackendUnavailable(f"CuPy computes wrong values on device {number}", LIBRARIES)


def _one_line(error: BaseException) -> str:
    """The last line of an error's message that says something, with the error's name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =\t")]
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__
