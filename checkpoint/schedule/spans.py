"""What each action of a step is, and which activations are held from which action to which. No arrays here."""

from collections.abc import Sequence
from typing import NamedTuple

from checkpoint.schedule.actions import Action, Backward, Forward, Release
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.holding import Holding

FORWARD, RECOMPUTE, BACKWARD, COPY, RELEASE = "forward", "recompute", "backward", "copy", "release"
"""The kinds of actions; copies go to the host and back."""

MOST_ACTIONS = 200_000
"""Of more actions than these nothing is drawn: to walk through them takes many seconds, and shows a grey."""


class Span(NamedTuple):
    """a_layer, or some rows of it, held from action `first` to action `last`, both included.

    `kind` says how it came there: FORWARD, RECOMPUTE, or COPY from the host. It is BACKWARD from the action on that
    makes the error in its place.
    """

    layer: int
    first: int
    last: int
    kind: str


class Walk(NamedTuple):
    """The kind of each action, the spans in the order of their first actions, and the most activations held at once."""

    kinds: tuple[str, ...]
    spans: tuple[Span, ...]
    most_held: int


def walk(actions: Sequence[Action], chain: Chain) -> Walk:
    """What `actions` are and hold on `chain`. Raises `holding.Refused` for actions that cannot be run there.

    >>> from checkpoint.schedule.chain import chain_of
    >>> found = walk((Forward(1), Forward(2), Backward(2), Backward(1)), chain_of([4, 3, 2], batch_size=5))
    >>> [(span.layer, span.first, span.last, span.kind) for span in found.spans]
    [(1, 0, 2, 'forward'), (2, 1, 2, 'forward'), (1, 2, 3, 'backward')]
    """
    holding = Holding(chain)
    kinds: list[str] = []
    spans: list[Span] = []
    held: dict[int, tuple[int, str]] = {}
    most_held = 0
    for position, action in enumerate(actions):
        _, again = holding.take(action)
        kinds.append(_kind(action, again=again))
        for layer in (action.layer, action.layer - 1):
            there = holding.held.get(layer)
            if layer == 0:
                continue
            if there is None and layer in held:
                spans.append(Span(layer, held[layer][0], position, held.pop(layer)[1]))
            elif there is not None and layer not in held:
                held[layer] = position, kinds[-1]
            elif there is not None and there.turned > there.start and held[layer][1] != BACKWARD:
                spans.append(Span(layer, held[layer][0], position, held[layer][1]))
                held[layer] = position, BACKWARD
        most_held = max(most_held, len(held))
    return Walk(tuple(kinds), tuple(sorted(spans, key=lambda span: (span.first, span.layer))), most_held)


def _kind(action: Action, *, again: bool) -> str:
    if isinstance(action, Forward):
        return RECOMPUTE if again else FORWARD
    if isinstance(action, Backward):
        return BACKWARD
    return RELEASE if isinstance(action, Release) else COPY
