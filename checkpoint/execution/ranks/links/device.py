"""The link of arrays on a GPU: passed to MPI as they are where it takes them, else by way of the host's memory.

*Staged* arrays are copied to pinned memory on a stream of their own and sent from there, or received there and copied.
Nothing here waits for another rank: what is asked for is done bit by bit, whenever a request is tested. The host may
wait for its own GPU, which waits for no rank.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from backend import Backend
from checkpoint.execution.ranks.links.base import SPINS, Link, Request
from checkpoint.ranks.slots import pinned_starts


def link_of_arrays(link: Link, backend: Backend) -> Link:
    """The link for arrays of `backend`, by way of `link`; all ranks call this together."""
    copies = backend.copies()
    return link if copies is None else DeviceLink(link, copies, direct=link.takes_arrays_of(backend))


class DeviceLink:
    """A link for arrays on a GPU. `direct`: `link` takes them as they are; `copies` are between host and device."""

    def __init__(self, link: Link, copies: Any, *, direct: bool) -> None:
        self.rank, self.ranks, self.direct = link.rank, link.ranks, direct
        self._link, self.copies = link, copies
        self._places: list[_Place] = []  # by address
        self._begun: deque[_Passing] = deque()  # in the order in which they are to be passed on
        self._passing: list[_Passing] = []
        self.pinned_bytes = 0
        """The bytes of the host's memory that are pinned now."""

    def pin(self, arrays: Iterable[Any]) -> None:
        """Have pinned memory for those of `arrays` that are to be passed on, and for no others."""
        arrays = [] if self.direct else [a for a in arrays if a.size]
        starts = pinned_starts(int(a.nbytes) for a in arrays)
        self.copies.synchronize()  # none is under way from memory that goes
        self._places, self.pinned_bytes = [], 0  # before there is more, not after
        if not arrays:
            return
        memory = np.frombuffer(self.copies.pinned(starts[-1]), np.uint8)
        self.pinned_bytes = memory.nbytes
        places = [
            _Place(a.data.ptr, memory[start : start + a.nbytes])
            for a, (start, _) in zip(arrays, pairwise(starts), strict=True)
        ]
        self._places = sorted(places, key=_address)

    def send(self, array: Any, peer: int, kind: int) -> Request:
        return self._begin(array, lambda a: self._link.send(a, peer, kind), leaves=True)

    def receive(self, array: Any, peer: int, kind: int) -> Request:
        return self._begin(array, lambda a: self._link.receive(a, peer, kind), leaves=False)

    def broadcast(self, array: Any, owner: int) -> Request:
        return self._begin(array, lambda a: self._link.broadcast(a, owner), leaves=owner == self.rank)

    def exchange(self, text: str) -> list[str]:
        return self._link.exchange(text)

    def agree(self, flags: int) -> int:
        return self._link.agree(flags)

    def alike(self, text: str, seconds: float) -> bool:
        return self._link.alike(text, seconds)

    def takes_arrays_of(self, backend: Backend) -> bool:
        return True

    def abort(self, status: int) -> NoReturn:
        self._link.abort(status)

    def _begin(self, array: Any, pass_on: Callable[[Any], Request], *, leaves: bool) -> Request:
        kind = _Direct if self.direct else _Staged
        passing = kind(self, array, pass_on, leaves=leaves)
        self._begun.append(passing)
        self.go_on()
        return passing

    def place_of(self, array: Any) -> "_Place":
        """The host's memory for an array, or for what it is a part of: pinned, or new for one that is unknown."""
        number = bisect_right(self._places, array.data.ptr, key=_address) - 1
        if number >= 0 and self._places[number].holds(array):
            return self._places[number]
        return _Place(array.data.ptr, np.empty(array.nbytes, np.uint8))

    def go_on(self) -> None:
        """Do what can be done by now."""
        while self._begun and self._begun[0].is_ready:
            self._passing.append(self._begun.popleft())
            self._passing[-1].pass_on()
        self._passing = [passing for passing in self._passing if not passing.is_over]


class _Place:
    """The host's memory for the array at an address of the device, and the event that ends the last copy there."""

    def __init__(self, address: int, memory: np.ndarray) -> None:
        self.address, self._memory = address, memory
        self.copied: Any = None

    def holds(self, array: Any) -> bool:
        """Whether all of an array lies in the one that this is for."""
        return bool(array.data.ptr + array.nbytes <= self.address + self._memory.nbytes)

    def of(self, array: Any) -> np.ndarray:
        """The memory for such an array: a vector."""
        start = array.data.ptr - self.address
        vector: np.ndarray = self._memory[start : start + array.nbytes].view(array.dtype)
        return vector


def _address(place: _Place) -> int:
    return place.address


class _Passing:
    """An array that is passed on once the GPU has come to it."""

    def __init__(self, link: DeviceLink, event: Any, pass_on: Callable[[], Request]) -> None:
        self._link, self._event, self._pass_on = link, event, pass_on
        self._looked = 0
        self._request: Request | None = None
        self._over = False

    def test(self) -> bool:
        if not self._over:
            self._link.go_on()
        return self._over

    @property
    def is_ready(self) -> bool:
        """Whether the GPU has come to it. Asked often, it waits for the GPU."""
        self._looked += 1
        if self._event is not None and self._looked > SPINS:
            self._event.synchronize()
        return self._event is None or bool(self._event.done)

    def pass_on(self) -> None:
        """Give it to the link below."""
        self._request = self._pass_on()

    @property
    def is_over(self) -> bool:
        if not self._over and self._request is not None and self._request.test():
            self._over = True
            self.finish()
        return self._over

    def finish(self) -> None:
        """What is left to do once the link below has passed it on."""


class _Direct(_Passing):
    """An array that is passed on as it is, once what has been begun with it is computed."""

    def __init__(self, link: DeviceLink, array: Any, pass_on: Callable[[Any], Request], *, leaves: bool) -> None:
        super().__init__(link, link.copies.computed(), lambda: pass_on(array))


class _Staged(_Passing):
    """An array that goes by way of the host's memory."""

    def __init__(self, link: DeviceLink, array: Any, pass_on: Callable[[Any], Request], *, leaves: bool) -> None:
        self._array, self._leaves, self._copies = array, leaves, link.copies
        self._place = link.place_of(array)
        self._host = host = self._place.of(array)
        if leaves:
            self._copies.follow_computing()
            self._place.copied = self._copies.to_host(array, host.ctypes.data)
        super().__init__(link, self._place.copied, lambda: pass_on(host))

    def finish(self) -> None:
        if not self._leaves:
            self._copies.follow_computing()
            self._place.copied = self._copies.to_device(self._array, self._host.ctypes.data)
            self._copies.computing_follows(self._place.copied)
