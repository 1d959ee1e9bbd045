"""A small process beside the ranks of one machine, which says which of them was killed: a killed one can't say it.

    python witness.py DESCRIPTOR RANKS

Launchers end all ranks within a millisecond of the first one's end, by their process groups, and name none. This is in
a group of its own and lives on. The descriptor is of a socket to which each rank connects, and over which it says its
numbers, and when it ends by itself. Once all are there, each is told that it is watched. It imports nothing of the
project, and ends with the last rank, or with the first that ends unexpectedly.
"""

import select
import socket
import sys
from contextlib import suppress

WATCHED = b"."

CONNECT_SECONDS = 10.0
"""So long it may take until all ranks are there."""


def main(descriptor: int, ranks: int) -> None:
    """Watch until all ranks have ended, or one without having said so."""
    epoll = select.epoll()  # which tells what happened in the order in which it did
    said: dict[int, tuple[socket.socket, bytes]] = {}
    with socket.socket(fileno=descriptor) as door:
        door.settimeout(CONNECT_SECONDS)
        for _ in range(ranks):
            try:
                connection, _ = door.accept()
            except TimeoutError:
                return
            said[connection.fileno()] = connection, b""
            epoll.register(connection.fileno(), select.EPOLLIN)
    for connection, _ in said.values():
        with suppress(OSError):
            connection.sendall(WATCHED)
    while said:
        for number, _ in epoll.poll():
            connection, before = said[number]
            try:
                new = connection.recv(64)
            except ConnectionError:
                new = b""
            if new:
                said[number] = connection, before + new
                continue
            rank, process, *leaves = before.decode().split()
            if not leaves:
                print(
                    f"mlp-checkpointing: rank {rank} of {ranks} (process {process}) has ended without a word, as one "
                    f"does that is killed; the others end with it",
                    file=sys.stderr,
                    flush=True,
                )
                return
            epoll.unregister(number)
            del said[number]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
