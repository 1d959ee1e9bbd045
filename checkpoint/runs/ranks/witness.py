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
    # It tells what happened in the order in which it did, of what has nothing to be read when it is registered.
    epoll = select.epoll()
    said: dict[int, tuple[socket.socket, bytes]] = {}
    with socket.socket(fileno=descriptor) as door:
        door.settimeout(CONNECT_SECONDS)
        for _ in range(ranks):
            try:
                connection, _ = door.accept()
                connection.settimeout(CONNECT_SECONDS)
                numbers = connection.recv(64)
            except OSError:
                return
            connection.setblocking(False)
            said[connection.fileno()] = connection, numbers
            epoll.register(connection.fileno(), select.EPOLLIN | select.EPOLLET)
    for connection, _ in said.values():
        with suppress(OSError):
            connection.sendall(WATCHED)
    while said:
        for number, _ in epoll.poll():
            connection, before = said[number]
            new, ended = heard(connection)
            said[number] = connection, before + new
            if not ended:
                continue
            rank, process, *leaves = (before + new).decode().split() or ("?", "?")
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


def heard(connection: socket.socket) -> tuple[bytes, bool]:
    """All that was said over `connection`, and whether it has ended."""
    words = b""
    while True:
        try:
            new = connection.recv(64)
        except BlockingIOError:
            return words, False
        except ConnectionError:
            return words, True
        if not new:
            return words, True
        words += new


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
