"""Has a witness beside the ranks, where all are on one Linux machine; elsewhere the launcher's words have to do."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from checkpoint.execution.ranks.links.base import Link

WITNESS = Path(__file__).with_name("witness.py")

WATCHED_SECONDS = 10.0
"""So long a rank waits until it is watched: a busy machine takes a while to start the witness."""


class Watch:
    """This rank's connection to the witness of a run, which rank 0 starts.

    When it is made all ranks are watched: of ends before that, the witness could not tell which came first.
    """

    def __init__(self, link: Link) -> None:
        self._connection: socket.socket | None = None
        hosts = set(link.exchange(f"{sys.platform} {socket.gethostname()}"))
        if sys.platform != "linux" or len(hosts) > 1:
            return
        name = link.exchange(uuid4().hex)[0]
        address = f"\0mlp-checkpointing-{name}"  # of no file
        if link.rank == 0:
            with socket.socket(socket.AF_UNIX) as door:
                door.bind(address)
                door.listen(link.ranks)
                _start(door.fileno(), link.ranks)
        link.exchange("")  # before anybody connects
        with suppress(OSError):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(address)
            connection.sendall(f"{link.rank} {os.getpid()}".encode())
            self._connection = connection
            connection.settimeout(WATCHED_SECONDS)
            connection.recv(1)

    def leaving(self) -> None:
        """Tell the witness that this rank is about to end by itself."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.sendall(b" leaves")


def _start(door: int, ranks: int) -> None:
    subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(WITNESS), str(door), str(ranks)],
        pass_fds=[door],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
