"""One training step on one rank: the reader of a rank's list of actions that runs it on arrays.

The order is the list's, which `checkpoint.ranks.replay` has accepted. What is to come is received ahead where its slot
is free: that only lets other ranks go on earlier.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from checkpoint.execution.ranks.links.base import TOTAL, WAVE, Link, Request, wait
from checkpoint.execution.ranks.seeds import Seeds
from checkpoint.execution.ranks.slots import Slots
from checkpoint.execution.step import Execution
from checkpoint.ranks.actions import Add, Apply, Begin, Broadcast, RankAction, Receive, Send
from checkpoint.ranks.items import Item
from checkpoint.schedule.actions import Action, Backward, Forward, Release
from mlp import Gradient


class RankStep:
    """A step by `actions` on a mini-batch of `rows` rows in all.

    `begin(block)` returns what executes a block's own schedule; `apply` takes a gradient. `after_action(position,
    action)` is called after each action of a block's own schedule. `weights(layer)` are the arrays that are shared when
    the layer is over. `seeds` are what sums begin with, where they begin with anything.
    """

    def __init__(
        self,
        link: Link,
        slots: Slots,
        actions: Sequence[RankAction],
        *,
        n_slots: int,
        rows: int,
        begin: Callable[[int], Execution],
        apply: Callable[[Gradient], None],
        weights: Callable[[int], Sequence[Any]],
        after_action: Callable[[int, Action], None],
        seeds: Seeds | None = None,
    ) -> None:
        self._link, self._slots, self._n_slots, self._actions = link, slots, n_slots, actions
        self._rows = rows
        self._begin, self._apply, self._weights, self._after_action = begin, apply, weights, after_action
        self._seeds = seeds
        self._execution: Execution | None = None
        self._position = 0
        self._backward: Iterator[Any] | None = None
        self._used = -1  # the use of a slot that is in hand, counted from 0
        self._sent: dict[int, Request | None] = {}  # uses that are over, or when they will be
        self._coming = list(_receives(actions))
        self._posted: dict[int, Request] = {}
        self._totals = [a for a in actions if isinstance(a, Receive) and a.total]
        self._total_request: Request | None = None
        self._shared: list[Request] = []
        self.adding: tuple[Any, Any, bool] | None = None
        """The arrays of the item that is being made: weight, bias or None, and whether it is added onto them."""
        self.waited_seconds = 0.0
        self.sent_bytes = 0

    def run(self) -> None:
        """Take the step."""
        try:
            if self._seeds is not None:
                self._seeds.send()
                self.sent_bytes += self._seeds.sent_bytes
            for action in self._actions:
                self._take(action)
            for request in (*self._sent.values(), *self._shared):
                self._wait(request)
        finally:
            if self._backward is not None:
                self._backward.close()  # type: ignore[attr-defined]
            if self._execution is not None:
                self._execution.end()

    def _take(self, action: RankAction) -> None:
        match action:
            case Begin():
                if self._execution is not None:
                    self._execution.end()
                self._execution, self._position = self._begin(action.block), 0
            case Receive():
                self._receive(action)
            case Add():
                self._add(action)
            case Send():
                self._send(action)
            case Apply():
                self._apply_total(action)
            case Broadcast():
                self._shared += [self._link.broadcast(a, action.owner) for a in self._weights(action.layer)]
                if action.owner == self._link.rank:
                    self.sent_bytes += sum(int(a.nbytes) for a in self._weights(action.layer))
            case _:
                self._own(action)

    def _own(self, action: Action) -> None:
        """An action of the block's own schedule."""
        assert self._execution is not None  # noqa: S101
        match action:
            case Forward():
                self._execution.forward(action)
            case Release():
                self._execution.release(action)
            case Backward():
                assert self._backward is not None  # noqa: S101
                for _ in self._backward:
                    raise AssertionError("all items of the layer have been added")
                self._backward = None
            case _:
                raise AssertionError(f"{action} is not offloaded on ranks")
        self._after_action(self._position, action)
        self._position += 1

    def _add(self, action: Add) -> None:
        item = action.item
        if not action.onto:
            self._used += 1
            self._await_slot(self._used)
        if self._backward is None:
            assert self._execution is not None  # noqa: S101
            self._backward = self._execution.backward(Backward(item.layer))
        parts = self._slots.parts(self._slots.of_use(self._used, item), item)
        if self._seeds is not None and not action.onto:
            for request in self._seeds.put(item, parts):
                self._wait(request)
        self.adding = (*parts, action.onto)
        next(self._backward)
        self.adding = None

    def _send(self, action: Send) -> None:
        values = self._slots.of_use(self._used, action.item)
        self._sent[self._used] = self._link.send(values, action.peer, TOTAL if action.total else WAVE)
        self.sent_bytes += int(values.nbytes)
        self._receive_ahead()

    def _receive(self, action: Receive) -> None:
        if action.total:
            self._post_total()
            assert self._total_request is not None  # noqa: S101
            self._wait(self._total_request)
            return
        self._used += 1
        self._await_slot(self._used)
        self._receive_ahead()
        self._wait(self._posted.pop(self._used))

    def _apply_total(self, action: Apply) -> None:
        item = action.item
        values = self._slots.of_total(item) if action.received else self._slots.of_use(self._used, item)
        weight, bias = self._slots.parts(values, item)
        for request in () if self._seeds is None else self._seeds.sent(item):
            self._wait(request)
        self._apply(Gradient(item.layer, weight, bias, item.first, self._rows))
        if action.received:
            self._totals.pop(0)
            self._total_request = None
            self._post_total()
        else:
            self._sent[self._used] = None

    # What is received ahead

    def _receive_ahead(self) -> None:
        """Begin to receive the next sums for which there are free slots, and the next total."""
        while self._coming:
            use, item, peer = self._coming[0]
            if use >= self._n_slots and not self._is_over(use - self._n_slots):
                break
            self._posted[use] = self._link.receive(self._slots.of_use(use, item), peer, WAVE)
            self._coming.pop(0)
        self._post_total()

    def _post_total(self) -> None:
        if self._totals and self._total_request is None:
            total = self._totals[0]
            self._total_request = self._link.receive(self._slots.of_total(total.item), total.peer, TOTAL)

    def _is_over(self, use: int) -> bool:
        if use not in self._sent:
            return False
        request = self._sent[use]
        return request is None or request.test()

    def _await_slot(self, use: int) -> None:
        if use >= self._n_slots:
            self._wait(self._sent[use - self._n_slots])

    def _wait(self, request: Request | None) -> None:
        if request is not None:
            self.waited_seconds += wait(request, self._receive_ahead)


def _receives(actions: Sequence[RankAction]) -> Iterator[tuple[int, Item, int]]:
    """Each sum to be received: the use of a slot that it is, the item, and the rank that it comes from."""
    use = -1
    for action in actions:
        if isinstance(action, Receive) and not action.total:
            yield use + 1, action.item, action.peer
        elif isinstance(action, Add):
            use += 1
