"""What a link between ranks is to the rest of the program, and how to wait for what it does.

Nothing here blocks: whoever waits asks again, so that signals are seen and other work is done meanwhile.
"""

import time
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from backend import Backend

WAVE, TOTAL, STATE, SEED, MERGE = range(5)
"""What is sent: sums on their way, totals, the optimizer's state to be saved, velocities that sums begin with, and sums
of groups: those of level n as `MERGE` + n."""

SPINS = 50
"""So often a request is tested at once; then with pauses, as another rank may need the core."""

PAUSE_SECONDS = 50e-6


class Request(Protocol):
    """Something under way."""

    def test(self) -> bool:
        """Whether it is over; never waits."""
        ...


class Link(Protocol):
    """The connection of one rank to all others. Arrays are contiguous, and are not touched until the request is over.

    Between two ranks, what is sent as one `kind` arrives in order. `broadcast` is called by all ranks in one order.
    """

    @property
    def rank(self) -> int: ...

    @property
    def ranks(self) -> int: ...

    def send(self, array: Any, peer: int, kind: int) -> Request: ...

    def receive(self, array: Any, peer: int, kind: int) -> Request: ...

    def broadcast(self, array: Any, owner: int) -> Request:
        """Put the owner's values into everybody's array."""
        ...

    def exchange(self, text: str) -> list[str]:
        """Everybody's text, rank 0's first; all ranks call this together."""
        ...

    def agree(self, flags: int) -> int:
        """The bits that any rank has set; all ranks call this together."""
        ...

    def takes_arrays_of(self, backend: Backend) -> bool:
        """Whether arrays of `backend`'s device can be passed on as they are; all ranks call this together."""
        ...

    def alike(self, text: str, seconds: float) -> bool:
        """Whether all ranks end with this text, and call this within `seconds` of each other; then none need abort."""
        ...

    def abort(self, status: int) -> NoReturn:
        """End all ranks, with this exit status; does not return."""
        ...


def wait(request: Request, meanwhile: Callable[[], None] | None = None) -> float:
    """Wait until `request` is over, calling `meanwhile` again and again; returns the seconds that it took."""
    if request.test():
        return 0.0
    begun, tests = time.perf_counter(), 0
    while not request.test():
        if meanwhile is not None:
            meanwhile()
        tests += 1
        if tests > SPINS:
            time.sleep(PAUSE_SECONDS)
    return time.perf_counter() - begun
