"""What the last bits of a result depend on besides the program: versions and the device.

Not the number of threads: NumPy's kernels here add up in one order whatever it is.
"""

import sys

import numpy as np

from backend import Backend

BIT_RELEVANT = ("backend", "device", "machine", "numpy", "kernels", "cupy", "cublas", "cublas variables")
"""The facts whose change may change the last bits of a result. The others are for the reader."""


def environment(backend: Backend) -> dict[str, str]:
    """The facts of this process, as text by name."""
    import platform

    facts = {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "kernels": str(getattr(backend, "variant", "")),
        "threads": "" if backend.threads is None else str(backend.threads),
        "backend": backend.name,
        "device": backend.device_name,
        "mlp-checkpointing": _version("mlp-checkpointing"),
    }
    if backend.name == "cupy":
        facts["cupy"] = str(getattr(sys.modules.get("cupy"), "__version__", ""))
    return facts | backend.arithmetic


def differences(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """The changes that may affect the last bits, such as `numpy 2.4.6, was 2.3.0`."""
    return [
        f"{name} {_said(now, name)}, was {_said(then, name)}"
        for name in BIT_RELEVANT
        if now.get(name) != then.get(name)
    ]


def _said(facts: dict[str, str], name: str) -> str:
    text = facts.get(name)
    return text or ("none" if text == "" and name == "cublas variables" else "unknown")


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # 1.5 MiB, for those who save

    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return ""
