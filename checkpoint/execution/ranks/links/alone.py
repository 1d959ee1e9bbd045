"""The link of a rank without others."""

import sys
from typing import Any, NoReturn

from checkpoint.execution.ranks.links.base import Request


class Alone:
    """A world of one rank, which sends nothing."""

    rank, ranks = 0, 1

    def send(self, array: Any, peer: int, kind: int) -> Request:
        raise AssertionError("there is no other rank to send to")

    def receive(self, array: Any, peer: int, kind: int) -> Request:
        raise AssertionError("there is no other rank to receive from")

    def broadcast(self, array: Any, owner: int) -> Request:
        raise AssertionError("there is no other rank to share with")

    def exchange(self, text: str) -> list[str]:
        return [text]

    def agree(self, flags: int) -> int:
        return flags

    def abort(self, status: int) -> NoReturn:
        sys.exit(status)
