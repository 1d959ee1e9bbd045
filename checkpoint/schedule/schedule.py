"""A schedule: what one training step runs, holds and lets go of, as data. No arrays here."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Any

from checkpoint.errors import ScheduleError
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release
from mlp.pieces import PIECES

FORMAT = "mlp-checkpointing schedule 1"
MAX_ACTIONS = 20_000_000

_ACTION = re.compile(r"([FDBOP])([0-9]{1,7})(?:\[([0-9]{1,10}):([0-9]{1,10})\](\+?))?")
_IN_ROWS: dict[str, type[Forward | Release | Backward]] = {"F": Forward, "D": Release, "B": Backward}
_WHOLE: dict[str, type[Offload | Fetch]] = {"O": Offload, "P": Fetch}


@dataclass(frozen=True, slots=True)
class Schedule:
    """An immutable list of actions on a chain of `n_layers` layers.

    `batch_size` is None where the actions are for whole mini-batches of any size; a schedule with row blocks is for
    mini-batches of exactly `batch_size` rows, and `for_batch` cuts it to fewer. `name` says what wrote it. `pieces`,
    "large" or "small", are those that backward steps work in: fast, or in few bytes; see `mlp.pieces`. Small ones are
    sized for `planned_rows` rows, so that a smaller mini-batch takes no more; None: for those at hand.

    >>> print(Schedule(2, (Forward(1), Forward(2), Backward(2), Backward(1))))
    F1* F2 B2 B1
    """

    n_layers: int
    actions: tuple[Action, ...]
    name: str = ""
    batch_size: int | None = None
    pieces: str = "large"
    planned_rows: int | None = None

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def __len__(self) -> int:
        return len(self.actions)

    def __str__(self) -> str:
        """The actions, shortly: `F2*` runs layer 2 and keeps a_2, `F2` keeps it until the next layer has run.

        `B2` is the backward step, `D2` a release that is not such a step's, `[0:128]` the rows, and `+` says that they
        go to their place in an array for all rows. `O2` copies a_2 to the host, `P2` puts it back.
        """
        return " ".join(_short(self.actions))

    def for_batch(self, batch_size: int) -> "Schedule":
        """This schedule for a mini-batch of `batch_size` rows, such as the last of an epoch.

        Raises `ScheduleError` for more rows than it was written for.
        """
        if self.batch_size is None or self.batch_size == batch_size:
            return self
        if batch_size > self.batch_size:
            raise ScheduleError(
                f"this schedule's row blocks are for {self.batch_size} rows, the mini-batch has {batch_size}; plan "
                f"again for batch_size={batch_size}"
            )
        return replace(self, actions=tuple(_cut(self.actions, batch_size)), batch_size=batch_size)

    def to_json(self) -> str:
        """A JSON object that `from_json` reads back."""
        return json.dumps(self.as_record())

    def as_record(self) -> dict[str, Any]:
        """What `to_json` writes, as a dictionary."""
        return {
            "format": FORMAT,
            "name": self.name,
            "n_layers": self.n_layers,
            "batch_size": self.batch_size,
            "pieces": self.pieces,
            "planned_rows": self.planned_rows,
            "actions": [str(action) for action in self.actions],
        }

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        """The schedule written by `to_json`. Raises `ScheduleError` for any other text.

        Whether the schedule can be run is for `simulate` to say.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            raise ScheduleError("a schedule is a JSON object; this text is not JSON") from None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ScheduleError(f"a schedule is a JSON object with format {FORMAT!r}; this is something else")
        n_layers, name, actions = (record.get(key) for key in ("n_layers", "name", "actions"))
        batch_size, planned_rows = record.get("batch_size"), record.get("planned_rows")
        if not (type(n_layers) is int and n_layers >= 1):
            raise ScheduleError("n_layers must be a whole number, 1 or more")
        for key, rows in (("batch_size", batch_size), ("planned_rows", planned_rows)):
            if not (rows is None or (type(rows) is int and rows >= 1)):
                raise ScheduleError(f"{key} must be null or a whole number, 1 or more")
        if not isinstance(name, str) or not isinstance(actions, list) or len(actions) > MAX_ACTIONS:
            raise ScheduleError(f"name must be a string and actions a list of at most {MAX_ACTIONS}")
        pieces = record.get("pieces", "large")
        if pieces not in PIECES:
            raise ScheduleError(f"pieces must be {' or '.join(PIECES)}")
        read = tuple(_read(position, item) for position, item in enumerate(actions))
        return cls(n_layers, read, name, batch_size, pieces, planned_rows)


def _read(position: int, item: object) -> Action:
    match = _ACTION.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        shown = repr(item)
        raise ScheduleError(
            f"action {position} must be like 'F3', 'D3', 'B3', 'B3[0:128]', 'O3' or 'P3'; got {shown[:40]}",
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


def _short(actions: tuple[Action, ...]) -> Iterator[str]:
    passed = {
        # F_l F_{l+1} D_l: the release belongs to the step from layer l to layer l + 1
        position + 1
        for position, (first, second) in enumerate(pairwise(actions))
        if isinstance(first, Forward)
        and isinstance(second, Release)
        and second.layer == first.layer - 1
        and second.rows == first.rows
    }
    passed -= _after_offload(actions)
    shown = [position for position in range(len(actions)) if position not in passed]
    for position, following in zip_longest(shown, shown[1:]):
        action, after = actions[position], None if following is None else actions[following]
        used_at_once = isinstance(after, Backward) and (after.layer, after.rows) == (action.layer, action.rows)
        let_go = following is not None and following + 1 in passed and actions[following].layer == action.layer + 1
        yield f"{action}*" if isinstance(action, Forward) and not (used_at_once or let_go) else str(action)


def _after_offload(actions: tuple[Action, ...]) -> set[int]:
    """The positions of releases whose activation is on the host."""
    there, positions = set(), set()
    for position, action in enumerate(actions):
        if isinstance(action, Offload):
            there.add(action.layer)
        elif isinstance(action, Fetch):
            there.discard(action.layer)
        elif isinstance(action, Release) and action.layer in there:
            positions.add(position)
    return positions


def _cut(actions: Iterable[Action], batch_size: int) -> Iterator[Action]:
    for action in actions:
        if isinstance(action, Offload | Fetch) or action.rows is None:
            yield action
        elif action.rows[0] < batch_size:
            yield replace(action, rows=(action.rows[0], min(action.rows[1], batch_size)))
