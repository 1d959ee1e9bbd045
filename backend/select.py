"""From a name to a backend. A library that was not chosen is not imported."""

from backend.base import Backend
from backend.errors import BackendUnavailable
from backend.facts import NAMES, UNCOMPILED
from backend.nearest import meant


def select_backend(name: str | Backend, *, device: int | None = None) -> Backend:
    """The backend called `name`, "numpy" or "cupy"; a `Backend` is returned as it is.

    `device` is the number of the GPU, for "cupy" only; None means the first.

    Raises `BackendUnavailable`, with `.reason` and `.remedy`, for an unknown name or device and for a backend that
    cannot run here.

    >>> select_backend("numpy").name
    'numpy'
    """
    if isinstance(name, Backend):
        return name
    if name == "numpy":
        if device is not None:
            raise BackendUnavailable(f"numpy has no device {device}", "leave the device out, or choose cupy")
        from backend.numpy.variants import numpy_backend

        return numpy_backend()
    if name == "cupy":
        from backend.cupy.backend import CupyBackend

        return CupyBackend(device=device)
    raise BackendUnavailable(f"unknown backend {name!r}", f"choose {' or '.join(NAMES)}{meant(name, NAMES)}")


def variant_here(name: str) -> str:
    """The row of `FACTS` that the backend called `name` would have on this machine; no array library is imported.

    Raises `BackendUnavailable` for compiled kernels that are there and are not what they should be.

    >>> variant_here("cupy")
    'cupy'
    """
    if name != "numpy":
        return name
    from backend.numpy.kernels.loading import kernels_here

    return name if kernels_here()[0] else UNCOMPILED
