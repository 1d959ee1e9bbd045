"""The link of a rank without others."""

import sys
from typing import Any, NoReturn

from backend import Backend
from checkpoint.execution.ranks.links.base import Request


class Alone:
    """A world of one rank, which sends nothing."""

    rank, ranks = 0, 1

    def send(self, array: Any, peer: int, kind: int) -> Request:
        raise AssertionError("there is no other rank to send to")

    def receive(self, array: Any, peer: int, kind: int) -> Request:
        raise AssertionError("there is no other rank to receive from")

    def broadcast(self, array: Any, owner: int) -> Request:
        return _Over()

    def exchange(self, text: str) -> list[str]:
        return [text]

    def agree(self, flags: int) -> int:
        return flags

    def alike(self, text: str, seconds: float) -> bool:
        return True

    def takes_arrays_of(self, backend: Backend) -> bool:
        return True

    def abort(self, status: int) -> NoReturn:
        sys.exit(status)


class _Over:
    """What is over as soon as it begins."""

    def test(self) -> bool:
        return True
