"""What to do where CuPy cannot be used, by what is installed here. CuPy itself is not imported.

CuPy comes as a wheel for each major version of CUDA, such as `cupy-cuda12x`; a driver runs programs of its own version
of CUDA and of earlier ones.
"""

import ctypes
import sys
from importlib import metadata

EXTRAS = (12, 13)
"""The major versions of CUDA that this project has an extra for, `mlp-checkpointing[cuda12]` and so on."""

CHOOSE_NUMPY = "choose --backend numpy"

READ_NVIDIA_SMI = "see what nvidia-smi says"


def installed_wheel() -> str | None:
    """The name of the CuPy that is installed, such as "cupy-cuda13x"; "cupy" is one built here; None for none."""
    names = {str(found.name).lower().replace("_", "-") for found in metadata.distributions() if found.name}
    return min((name for name in names if name == "cupy" or name.startswith(("cupy-cuda", "cupy-rocm"))), default=None)


def install_cupy() -> str:
    """How to install CuPy: the extra for the driver, or all of them where there is no driver to ask."""
    version = driver_version()
    fitting = [extra for extra in EXTRAS if version is not None and extra <= version // 1000]
    if fitting:
        return f'install it: pip install "mlp-checkpointing[cuda{max(fitting)}]"'
    each = [f'pip install "mlp-checkpointing[cuda{extra}]" for CUDA {extra}' for extra in reversed(EXTRAS)]
    return f"install it: {', or '.join(each)}"


def install_libraries() -> str:
    """How to install CUDA's libraries for the CuPy that is here."""
    wheel = installed_wheel()
    if wheel is not None and "ctk" in (metadata.metadata(wheel).get_all("Provides-Extra") or []):
        return f'install CUDA\'s libraries: pip install "{wheel}[ctk]"'
    version = "".join(letter for letter in wheel or "" if letter.isdigit())
    return f"install NVIDIA's CUDA Toolkit{' ' + version if version else ''}, which {wheel or 'CuPy'} needs"


def match_driver(version: int) -> str:
    """What fits a driver that is older than CuPy's CUDA; `version` as CUDA writes it, 12040 for 12.4."""
    fitting = [extra for extra in EXTRAS if extra <= version // 1000]
    if not fitting:
        return f"update the driver, or {CHOOSE_NUMPY}"
    wheel = installed_wheel() or "cupy"
    return (
        f"update the driver, or use the CuPy for CUDA {max(fitting)}: pip uninstall {wheel}, then pip install "
        f'"mlp-checkpointing[cuda{max(fitting)}]"'
    )


def driver_version() -> int | None:
    """The CUDA version of the driver, 12040 for 12.4; None where there is no driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        version = ctypes.c_int()
        if driver.cuDriverGetVersion(ctypes.byref(version)) == 0 and version.value > 0:
            return version.value
    except (OSError, AttributeError):
        pass
    return None
