"""The link of MPI, by way of mpi4py. Only this file imports it."""

import os
import socket
import sys
import time
from hashlib import sha256
from typing import Any, NoReturn

from backend import Backend
from checkpoint.errors import CheckpointError
from checkpoint.execution.ranks.launch import launched
from checkpoint.execution.ranks.links.base import PAUSE_SECONDS, Request, wait
from checkpoint.execution.ranks.links.probe import PROBED, takes_device_arrays

INSTALL = "pip install 'mlp-checkpointing[mpi]'"


class Mpi:
    """All processes that a launcher has started, such as `mpiexec -n 4`.

    Raises `CheckpointError` where mpi4py or its MPI library is not installed, or is another than the launcher's.
    """

    def __init__(self) -> None:
        self._mpi = mpi = _imported()
        self._comm, self._shared, self._ending = (mpi.COMM_WORLD.Dup() for _ in range(3))
        self._left: list[Request] = []
        self.rank: int = self._comm.Get_rank()
        self.ranks: int = self._comm.Get_size()
        said = launched()[1]
        if self.ranks == 1 < said:
            raise CheckpointError(
                f"the launcher has started {said} processes, of which mpi4py's MPI ({self._library}) sees one; start "
                f"them with that library's own mpiexec"
            )

    @property
    def _library(self) -> str:
        return " ".join(str(self._mpi.Get_library_version()).split()[:3])

    def send(self, array: Any, peer: int, kind: int) -> Request:
        return _Request(self._comm.Isend(array, peer, kind))

    def receive(self, array: Any, peer: int, kind: int) -> Request:
        return _Request(self._comm.Irecv(array, peer, kind))

    def broadcast(self, array: Any, owner: int) -> Request:
        return _Request(self._shared.Ibcast(array, owner))

    def exchange(self, text: str) -> list[str]:
        own = text.encode()
        sizes = bytearray(8 * self.ranks)
        wait(_Request(self._comm.Iallgather(bytearray(len(own).to_bytes(8, "little")), sizes)))
        counts = [int.from_bytes(sizes[8 * k : 8 * k + 8], "little") for k in range(self.ranks)]
        texts = bytearray(sum(counts))
        starts = [sum(counts[:k]) for k in range(self.ranks)]
        request = self._comm.Iallgatherv(bytearray(own), [texts, counts, starts, self._mpi.BYTE])
        wait(_Request(request))
        return [texts[start : start + count].decode() for start, count in zip(starts, counts, strict=True)]

    def agree(self, flags: int) -> int:
        own, all_flags = bytearray([flags]), bytearray(1)
        byte = self._mpi.BYTE
        wait(_Request(self._comm.Iallreduce([own, byte], [all_flags, byte], self._mpi.BOR)))
        return all_flags[0]

    def takes_arrays_of(self, backend: Backend) -> bool:
        """By a probe: a process beside each node's first rank sends an array; then all send one around, and compare."""
        nodes = self.exchange(socket.gethostname())
        is_first = nodes.index(nodes[self.rank]) == self.rank
        if self.agree(int(is_first and not takes_device_arrays(backend.device.id))):
            return False
        below, above = (self.rank - 1) % self.ranks, (self.rank + 1) % self.ranks
        sent, received = backend.asarray([self.rank + 0.5] * PROBED, "float32"), backend.zeros((PROBED,), "float32")
        backend.synchronize()
        for request in (self.receive(received, below, 0), self.send(sent, above, 0)):
            wait(request)
        return not self.agree(int(backend.to_numpy(received).tolist() != [below + 0.5] * PROBED))

    def alike(self, text: str, seconds: float) -> bool:
        own, found = bytearray(sha256(text.encode()).digest()), bytearray(32 * self.ranks)
        request, until = _Request(self._ending.Iallgather(own, found)), time.monotonic() + seconds
        while not request.test():
            if time.monotonic() > until:
                self._left.append(request)  # whose buffers another rank may write to still
                return False
            time.sleep(PAUSE_SECONDS)
        return found == own * self.ranks

    def abort(self, status: int) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        self._mpi.COMM_WORLD.Abort(status)
        os._exit(status)  # some libraries return


class _Request:
    """A request of MPI's, which keeps its buffers alive."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._over = False

    def test(self) -> bool:
        self._over = self._over or bool(self._request.Test())
        return self._over


def _imported() -> Any:
    os.environ.setdefault("MPIR_CVAR_SUPPRESS_ABORT_MESSAGE", "1")  # mpich's; the rank has said why
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"  # the kernels' threads send nothing
        from mpi4py import MPI
    except ModuleNotFoundError as error:
        if error.name != "mpi4py":
            raise
        raise CheckpointError(f"ranks need mpi4py, which is not installed; install it: {INSTALL}") from None
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"mpi4py finds no MPI library ({reason}); install one: {INSTALL}") from None
    return MPI
