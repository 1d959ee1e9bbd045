"""Signals on ranks: one that reaches any of them stops all after the same step, with a whole state."""

from types import FrameType

from checkpoint.execution.ranks.links.base import Link
from checkpoint.runs.endings.interruption import Interruption, Stopped


class StoppedTogether(Stopped):
    """A signal that reached rank `rank` first, which says so."""

    def __init__(self, number: int, rank: int) -> None:
        super().__init__(number, whole=True)
        self.rank = rank


class InterruptionOfAll(Interruption):
    """As `Interruption`, but no rank stops alone: `let_go`, which all ranks call together, raises `Stopped` on all.

    A second signal stops at once, and so ends the run without saving.
    """

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def let_go(self) -> None:
        if self._link.agree(int(self._pending is not None)):
            told = self._link.exchange(str(self._pending or ""))
            self._pending = None
            rank = next(rank for rank, number in enumerate(told) if number)
            raise StoppedTogether(int(told[rank]), rank)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._pending is None:
            self._pending = number
            return
        raise Stopped(number, whole=False)
