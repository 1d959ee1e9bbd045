"""A schedule's actions as text: read one at a time, and written shortly for people. No arrays here."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from checkpoint.errors import ScheduleError
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release

_ACTION = re.compile(r"([FDBOP])([0-9]{1,7})(?:\[([0-9]{1,10}):([0-9]{1,10})\](\+?))?")
_IN_ROWS: dict[str, type[Forward | Release | Backward]] = {"F": Forward, "D": Release, "B": Backward}
_WHOLE: dict[str, type[Offload | Fetch]] = {"O": Offload, "P": Fetch}


def read_action(position: int, item: object) -> Action:
    """The action that `item`, the text of one, names. Raises `ScheduleError` with `position` for anything else.

    >>> read_action(0, "B3[0:128]")
    Backward(layer=3, rows=(0, 128))
    """
    match = _ACTION.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        raise ScheduleError(
            f"action {position} must be like 'F3', 'D3', 'B3', 'B3[0:128]', 'O3' or 'P3'; got {repr(item)[:40]}",
            position=position,
        )
    kind, layer, start, stop, whole = match.groups()
    rows = None if start is None else (int(start), int(stop))
    if whole and kind != "F":
        raise ScheduleError(f"action {position}: + is for F alone; got {item!r}", position=position)
    if kind in _WHOLE:
        if rows is not None:
            raise ScheduleError(f"action {position}: {kind} is for all rows; got {item!r}", position=position)
        return _WHOLE[kind](int(layer))
    return Forward(int(layer), rows, whole=True) if whole else _IN_ROWS[kind](int(layer), rows)


def short_text(actions: Sequence[Action]) -> Iterator[str]:
    """The actions for people, each as a word.

    `F2*` runs layer 2 and keeps a_2, `F2` keeps it until the next layer has run. `B2` is the backward step, `D2` a
    release that is not part of such a run, `[0:128]` the rows, and `+` says that they go to their place in an array for
    all rows. `O2` copies a_2 to the host, `P2` fetches it.
    """
    passed = _passed(actions)
    shown = [position for position in range(len(actions)) if position not in passed]
    for position, following in zip_longest(shown, shown[1:]):
        action, after = actions[position], None if following is None else actions[following]
        used_at_once = isinstance(after, Backward) and (after.layer, after.rows) == (action.layer, action.rows)
        let_go = following is not None and following + 1 in passed and actions[following].layer == action.layer + 1
        yield f"{action}*" if isinstance(action, Forward) and not (used_at_once or let_go) else str(action)


_LEGEND = (
    (r"\bF", "F runs a layer forward"),
    (r"\*", "* keeps its output"),
    (r"\bB", "B takes the error back through it"),
    (r"\bD", "D releases its output"),
    (r"\bO", "O copies its output to the host"),
    (r"\bP", "P fetches it back"),
    (r"\[", "[a:b] are rows of the mini-batch"),
    (r"\+", "+ puts them in an array for all rows"),
)


def legend(text: str) -> str:
    """What the signs in a text of `short_text` mean, for those that are in it.

    >>> legend("F1* F2 B2 B1")
    'F runs a layer forward, * keeps its output, B takes the error back through it'
    """
    return ", ".join(meaning for sign, meaning in _LEGEND if re.search(sign, text))


def _passed(actions: Sequence[Action]) -> set[int]:
    """The positions of releases D_l in F_l F_{l+1} D_l: they belong to the run; those after an offload are shown."""
    found, on_host = set(), set()
    for position, action in enumerate(actions):
        if isinstance(action, Offload):
            on_host.add(action.layer)
        elif isinstance(action, Fetch):
            on_host.discard(action.layer)
        elif isinstance(action, Release) and action.layer not in on_host and position:
            before = actions[position - 1]
            if isinstance(before, Forward) and (before.layer - 1, before.rows) == (action.layer, action.rows):
                found.add(position)
    return found
