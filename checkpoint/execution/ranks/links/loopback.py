"""Sends an array of a GPU to this process itself, by MPI: a crash says that MPI takes the host's memory alone.

    python -m checkpoint.execution.ranks.links.loopback DEVICE

It ends with status 0 where the array has arrived.
"""

import sys

from backend import select_backend
from checkpoint.execution.ranks.links.base import wait
from checkpoint.execution.ranks.links.mpi import Mpi
from checkpoint.execution.ranks.links.probe import PROBED


def main(device: int) -> int:
    """Send it; 0 where it arrives, 1 where other values do."""
    backend, link = select_backend("cupy", device=device), Mpi()
    sent, received = backend.asarray([2.5] * PROBED, "float32"), backend.zeros((PROBED,), "float32")
    backend.synchronize()
    for request in (link.receive(received, 0, 0), link.send(sent, 0, 0)):
        wait(request)
    return 0 if backend.to_numpy(received).tolist() == [2.5] * PROBED else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
