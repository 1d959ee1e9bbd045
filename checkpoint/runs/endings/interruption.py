"""Ctrl-C, SIGTERM and a closed terminal during training: the step under way ends first, so that a whole state is saved.

Between steps, in an evaluation say, a signal stops at once, as nothing of the network changes there. A second signal
also stops inside a step; then nothing more is saved.
"""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal asked to stop. `status` is its exit status; `whole`: no step was under way."""

    def __init__(self, number: int, *, whole: bool) -> None:
        self.name = signal.Signals(number).name
        self.status = 128 + number
        self.whole = whole
        super().__init__(f"stopped by {self.name}")


class Interruption:
    """A block in which signals raise `Stopped`: at once, or where `hold` was called, at the next `let_go`.

    It does nothing in any thread but the main one, as Python delivers signals there alone.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._held = False
        self._pending: int | None = None

    def __enter__(self) -> Self:
        try:
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks for
                    self._before[number] = signal.signal(number, self._arrived)
        except ValueError:
            self._before.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hold(self) -> None:
        """Let signals wait: from here on something is half done."""
        self._held = True

    def let_go(self) -> None:
        """What was under way is done: raise `Stopped` for a signal that came meanwhile."""
        self._held = False
        if self._pending is not None:
            number, self._pending = self._pending, None
            raise Stopped(number, whole=True)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._held and self._pending is None:
            self._pending = number
            return
        raise Stopped(number, whole=not self._held)
