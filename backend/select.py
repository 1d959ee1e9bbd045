"""From a name to a backend. Nothing is imported of a library that was not chosen."""

from typing import overload

from backend.base import Backend
from backend.errors import BackendUnavailable

NAMES = ("numpy", "cupy")


@overload
def select_backend(name: str) -> Backend: ...
@overload
def select_backend(name: Backend) -> Backend: ...
def select_backend(name: str | Backend) -> Backend:
    """The backend called `name`, "numpy" or "cupy"; a `Backend` is given back as it is.

    Raises `BackendUnavailable`, with `.reason` and `.remedy`, for an unknown name and for a backend that cannot run
    here.

    >>> select_backend("numpy").name
    'numpy'
    """
    if isinstance(name, Backend):
        return name
    if name == "numpy":
        from backend.numpy_backend import NumpyBackend

        return NumpyBackend()
    if name == "cupy":
        from backend.cupy_backend import CupyBackend

        return CupyBackend()
    raise BackendUnavailable(f"unknown backend {name!r}", f"choose {' or '.join(NAMES)}")
