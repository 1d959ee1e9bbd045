"""What arrives at one array of a rank, one item after another: each is received when the one before has been used."""

from collections.abc import Callable, Sequence
from typing import Any

from checkpoint.execution.ranks.links.base import MERGE, TOTAL, WAVE, Link, Request
from checkpoint.ranks.actions import Receive, Send
from checkpoint.ranks.items import Item


def kind_of(action: Receive | Send) -> int:
    """What it is that the action passes on, see `checkpoint.execution.ranks.links.base`."""
    if action.total:
        return TOTAL
    return WAVE if action.level is None else MERGE + action.level


class Incoming:
    """The items that `receives` bring, in order; `array(item)` is where one of them goes."""

    def __init__(self, link: Link, receives: Sequence[Receive], array: Callable[[Item], Any]) -> None:
        self._link, self._coming, self._array = link, list(receives), array
        self._request: Request | None = None

    def begin(self) -> None:
        """Begin to receive the next one, unless that has begun, or there is none."""
        if self._coming and self._request is None:
            action = self._coming[0]
            self._request = self._link.receive(self._array(action.item), action.peer, kind_of(action))

    @property
    def request(self) -> Request:
        """The next one, on its way."""
        self.begin()
        assert self._request is not None  # noqa: S101
        return self._request

    def used(self) -> None:
        """The one that came last has been used: its array is free."""
        self._coming.pop(0)
        self._request = None
        self.begin()
