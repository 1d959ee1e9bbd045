"""Which backend can offload to which place, and what opens it: the host's memory for cupy, a file for numpy.

An array library is imported only when a place is opened.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from backend.errors import OffloadError
from backend.transfers import Transfers

if TYPE_CHECKING:
    from backend.base import Backend

HOST = "host"
"""The place that a GPU's arrays are offloaded to: the host's memory, pinned."""


def open_transfers(backend: "Backend", place: str | Path) -> Transfers:
    """The place that a network on `backend` offloads to: "host" for cupy, the path of a file or folder for numpy.

    Raises `OffloadError` for any other pair, and for a path that cannot be written to.
    """
    check_place(backend.name, place)
    if backend.name == "cupy":
        from backend.cupy.transfers import CupyTransfers

        return CupyTransfers(backend)
    from backend.numpy.transfers import FileTransfers

    return FileTransfers(Path(place))


def check_place(backend: str, place: str | Path) -> None:
    """Raise `OffloadError` unless the backend called `backend` can offload to a place of this kind."""
    if not str(place):
        raise OffloadError("the place to offload to is empty; give host or a path")
    if backend == "cupy":
        if str(place) != HOST:
            raise OffloadError(f"cupy offloads to the host's memory, not to {str(place)!r}; give {HOST!r}")
    elif backend != "numpy":
        raise OffloadError(f"the {backend} backend cannot offload; choose numpy or cupy")
    elif str(place) == HOST:
        raise OffloadError("numpy's arrays are in the host's memory already; give the path of a file or a folder")
