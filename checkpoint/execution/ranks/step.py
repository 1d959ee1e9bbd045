"""One training step on one rank: the reader of a rank's list of actions that runs it on arrays.

The order is the list's, which `checkpoint.ranks.replay` has accepted. What is to come is received ahead where its slot
is free: that only lets other ranks go on earlier.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from checkpoint.execution.ranks.incoming import Incoming, kind_of
from checkpoint.execution.ranks.links.base import WAVE, Link, Request, wait
from checkpoint.execution.ranks.seeds import Seeds
from checkpoint.execution.ranks.slots import Slots
from checkpoint.execution.step import Execution
from checkpoint.ranks.actions import Add, Apply, Begin, Broadcast, Merge, RankAction, Receive, Send
from checkpoint.ranks.groups import Span
from checkpoint.ranks.items import Item
from checkpoint.ranks.wave import Wave
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release
from mlp import Gradient


@dataclass(frozen=True, slots=True)
class Adding:
    """The item that is being made: its arrays, and whether it is added `onto` what is in them; bias None but in first.

    It is that of rows `rows` of the block, for the inputs from `first` on; `is_last`: the layer's last in this block.
    """

    weight: Any
    bias: Any
    onto: bool
    first: int
    rows: slice
    is_last: bool


class RankStep:
    """A step by `actions` in `wave`, on a mini-batch of `rows` rows in all.

    `begin(block)` returns what executes a block's own schedule; `apply` takes a gradient; `add_up(a, b)` adds the
    vector b to a. `after_action(position, action)` is called after each action of a block's own schedule.
    `weights(layer)` are the arrays that are shared when the layer is over. `seeds` are what sums begin with, where they
    begin with anything.
    """

    def __init__(
        self,
        link: Link,
        slots: Slots,
        actions: Sequence[RankAction],
        *,
        wave: Wave,
        rows: int,
        begin: Callable[[int], Execution],
        apply: Callable[[Gradient], None],
        add_up: Callable[[Any, Any], None],
        weights: Callable[[int], Sequence[Any]],
        after_action: Callable[[int, Action], None],
        seeds: Seeds | None = None,
    ) -> None:
        self._link, self._slots, self._wave, self._actions = link, slots, wave, actions
        self._rows, self._add_up = rows, add_up
        self._begin, self._apply, self._weights, self._after_action = begin, apply, weights, after_action
        self._seeds = seeds
        self._execution: Execution | None = None
        self._position = 0
        self._backward: Iterator[Any] | None = None
        self._spans: tuple[Span, ...] = ()
        self._first_row = 0  # of the block at hand
        self._used = -1  # the use of a slot that is in hand, counted from 0
        self._array: int | None = None  # that the sum which is being made waits in
        self._sent: dict[int, Request | None] = {}  # uses that are over, or when they will be
        self._coming = list(_receives(actions))
        self._posted: dict[int, Request] = {}
        receives = [action for action in actions if isinstance(action, Receive)]
        self._totals = Incoming(link, [a for a in receives if a.total], slots.of_total)
        self._merging = Incoming(link, [a for a in receives if a.level is not None], slots.of_merged)
        self._shared: list[Request] = []
        self.adding: Adding | None = None
        """The item that is being made."""
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
                self._spans, self._first_row = self._wave.spans[action.block], self._wave.blocks[action.block][0]
            case Receive():
                self._receive(action)
            case Add():
                self._add(action)
            case Merge():
                self._merge(action)
            case Send():
                self._send(action)
            case Apply():
                self._apply_total(action)
            case Broadcast():
                self._shared += [self._link.broadcast(a, action.owner) for a in self._weights(action.layer)]
                if action.owner == self._link.rank and self._link.ranks > 1:
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
            case Offload():
                self._execution.offload(action)
            case Fetch():
                self._execution.fetch(action)
            case Backward():
                assert self._backward is not None  # noqa: S101
                for _ in self._backward:
                    raise AssertionError("all items of the layer have been added")
                self._backward = None
        self._after_action(self._position, action)
        self._position += 1

    def _add(self, action: Add) -> None:
        item, span = action.item, self._spans[action.span]
        if not action.onto:
            self._array = action.held
            if action.held is None:
                self._used += 1
                self._await_slot(self._used)
        if self._backward is None:
            assert self._execution is not None  # noqa: S101
            self._backward = self._execution.backward(Backward(item.layer))
        weight, bias = self._slots.parts(self._in_hand(item), item)
        if self._seeds is not None and not action.onto:
            for request in self._seeds.put(item, (weight, bias)):
                self._wait(request)
        start, stop = span.rows
        rows = slice(start - self._first_row, stop - self._first_row)
        is_last = item.last and span is self._spans[-1]
        self.adding = Adding(weight, bias, action.onto, item.first, rows, is_last)
        next(self._backward)
        self.adding = None

    def _in_hand(self, item: Item) -> Any:
        """The values of the item that is in hand."""
        slots = self._slots
        return slots.of_use(self._used, item) if self._array is None else slots.of_held(self._array, item)

    def _merge(self, action: Merge) -> None:
        item = action.item
        if action.held is not None:
            self._add_up(self._in_hand(item), self._slots.of_held(action.held, item))
            return
        self._add_up(self._in_hand(item), self._slots.of_merged(item))
        self._merging.used()

    def _send(self, action: Send) -> None:
        values = self._slots.of_use(self._used, action.item)
        self._sent[self._used] = self._link.send(values, action.peer, kind_of(action))
        self.sent_bytes += int(values.nbytes)
        self._receive_ahead()

    def _receive(self, action: Receive) -> None:
        if action.total or action.level is not None:
            self._wait((self._totals if action.total else self._merging).request)
            return
        self._array = None
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
            self._totals.used()
        else:
            self._sent[self._used] = None

    # What is received ahead

    def _receive_ahead(self) -> None:
        """Begin to receive the next sums for which there are free slots, the next to be merged, and the next total."""
        while self._coming:
            use, item, peer = self._coming[0]
            if use >= self._wave.slots and not self._is_over(use - self._wave.slots):
                break
            self._posted[use] = self._link.receive(self._slots.of_use(use, item), peer, WAVE)
            self._coming.pop(0)
        self._merging.begin()
        self._totals.begin()

    def _is_over(self, use: int) -> bool:
        if use not in self._sent:
            return False
        request = self._sent[use]
        return request is None or request.test()

    def _await_slot(self, use: int) -> None:
        if use >= self._wave.slots:
            self._wait(self._sent[use - self._wave.slots])

    def _wait(self, request: Request | None) -> None:
        if request is not None:
            self.waited_seconds += wait(request, self._receive_ahead)


def _receives(actions: Sequence[RankAction]) -> Iterator[tuple[int, Item, int]]:
    """Each sum to be received: the use of a slot that it is, the item, and the rank that it comes from."""
    use = -1
    for action in actions:
        if isinstance(action, Receive) and not action.total and action.level is None:
            yield use + 1, action.item, action.peer
        elif isinstance(action, Add) and action.held is None:
            use += 1
