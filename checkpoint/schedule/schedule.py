"""A schedule: what one training step runs, holds and lets go of, as data. No arrays here."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import index
from typing import TYPE_CHECKING, Any

from checkpoint.arguments import whole_number
from checkpoint.errors import ScheduleError
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release
from checkpoint.schedule.sketch import schedule_html, schedule_summary
from checkpoint.schedule.stretches import Stretch, stretches_of, written
from checkpoint.schedule.text import read_action, short_text
from mlp.pieces import PIECES

FORMAT = "mlp-checkpointing schedule 1"
MAX_ACTIONS = 20_000_000
SHOWN_CHARACTERS = 200
"""So much of a schedule's text is in its `repr`."""

_KINDS = (Forward, Release, Backward, Offload, Fetch)


class _InStretches:
    """What keeps a schedule's stretches beside its fields."""

    __slots__ = ("stretches",)
    stretches: tuple[Stretch, ...]
    """The actions, with those that row blocks repeat said once."""


@dataclass(frozen=True, slots=True, repr=False)
class Schedule(_InStretches):
    """An immutable list of actions on a chain of `n_layers` layers.

    `batch_size` is None where the actions are for whole mini-batches of any size; a schedule with row blocks is for
    mini-batches of exactly `batch_size` rows, and `for_batch` cuts it to fewer. `name` says what wrote it. `pieces`,
    "large" or "small", are those that backward steps work in: fast, or in few bytes; see `mlp.pieces`. Small ones are
    sized for `planned_rows` rows, so that a smaller mini-batch takes no more; None: for those at hand.

    Raises `ScheduleError` for arguments of other types. Whether the actions can be run is for `simulate` to say.

    >>> print(Schedule(2, (Forward(1), Forward(2), Backward(2), Backward(1))))
    F1* F2 B2 B1
    """

    n_layers: int
    actions: tuple[Action, ...]
    name: str = ""
    batch_size: int | None = None
    pieces: str = "large"
    planned_rows: int | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # the way to complete a frozen record
        set_field(self, "n_layers", whole_number("n_layers", self.n_layers, error=ScheduleError))
        for field in ("batch_size", "planned_rows"):
            if (rows := getattr(self, field)) is not None:
                set_field(self, field, whole_number(field, rows, error=ScheduleError))
        if not isinstance(self.name, str):
            raise ScheduleError(f"name must be a string; got {self.name!r}")
        if self.pieces not in PIECES:
            raise ScheduleError(f"pieces must be {' or '.join(PIECES)}; got {self.pieces!r}")
        set_field(self, "actions", _checked(self.actions))

    @classmethod
    def in_stretches(
        cls,
        n_layers: int,
        stretches: Iterable[Stretch],
        name: str = "",
        batch_size: int | None = None,
        pieces: str = "large",
        planned_rows: int | None = None,
    ) -> "Schedule":
        """The schedule of these stretches, whose `actions` are written when they are first asked for."""
        new = cls(n_layers, (), name, batch_size, pieces, planned_rows)
        object.__delattr__(new, "actions")
        object.__setattr__(new, "stretches", tuple(stretches))
        return new

    if not TYPE_CHECKING:  # a checker knows both fields

        def __getattr__(self, name: str) -> Any:
            """The actions of stretches, or the stretches of actions; they are kept from then on."""
            if name not in ("actions", "stretches"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            found = tuple(written(self.stretches)) if name == "actions" else stretches_of(self.actions)
            object.__setattr__(self, name, found)
            return found

    def __iter__(self) -> Iterator[Action]:
        """The actions; they are not kept where nobody has asked for `actions`."""
        return iter(self.actions) if _has_actions(self) else written(self.stretches)

    def __len__(self) -> int:
        return len(self.actions) if _has_actions(self) else sum(stretch.n_actions for stretch in self.stretches)

    def __str__(self) -> str:
        """The actions as `checkpoint.schedule.text.short_text` writes them."""
        return " ".join(short_text(self.actions))

    def __repr__(self) -> str:
        """What it is, and its first actions."""
        text = " ".join(short_text(self.actions[: SHOWN_CHARACTERS // 2]))
        if len(text) > SHOWN_CHARACTERS or len(self.actions) > SHOWN_CHARACTERS // 2:
            text = text[:SHOWN_CHARACTERS].rsplit(" ", 1)[0] + " ..."
        batch = "" if self.batch_size is None else f", batch_size={self.batch_size}"
        return (
            f"<Schedule {self.name!r}: n_layers={self.n_layers}{batch}, pieces={self.pieces!r}, "
            f"{len(self.actions):,} actions: {text}>"
        )

    def summary(self) -> str:
        """What its actions are, counted by kind, and the most activations that it holds at once; a few lines."""
        return schedule_summary(self)

    def _repr_html_(self) -> str:
        return schedule_html(self)

    @property
    def row_block(self) -> int | None:
        """The smallest number of rows that an action works on; None where each works on the whole mini-batch."""
        blocks = (rows for stretch in self.stretches for rows in stretch.blocks if rows)
        return min((stop - start for start, stop in blocks), default=None)

    @property
    def offloads(self) -> bool:
        """Whether activations go to the host."""
        return any(isinstance(action, Offload) for stretch in self.stretches for action in stretch.body)

    def for_batch(self, batch_size: int) -> "Schedule":
        """This schedule for a mini-batch of `batch_size` rows, such as the last of an epoch.

        Raises `ScheduleError` for more rows than it was written for, and for what is no number of rows.
        """
        batch_size = whole_number("batch_size", batch_size, error=ScheduleError)
        if self.batch_size is None or self.batch_size == batch_size:
            return self
        if batch_size > self.batch_size:
            raise ScheduleError(
                f"this schedule's row blocks are for {self.batch_size} rows, the mini-batch has {batch_size}; plan "
                f"again for batch_size={batch_size}"
            )
        cut = (stretch.for_batch(batch_size) for stretch in self.stretches)
        return self.in_stretches(self.n_layers, cut, self.name, batch_size, self.pieces, self.planned_rows)

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
            "actions": [str(action) for action in self],
        }

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        """The schedule written by `to_json`. Raises `ScheduleError` for any other text."""
        return cls.from_record(parsed(text))

    @classmethod
    def from_record(cls, record: object) -> "Schedule":
        """The schedule of what `as_record` makes. Raises `ScheduleError` for anything else."""
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ScheduleError(f"a schedule is a JSON object with format {FORMAT!r}; this is something else")
        n_layers, name, actions = (record.get(key) for key in ("n_layers", "name", "actions"))
        batch_size, planned_rows = record.get("batch_size"), record.get("planned_rows")
        if not isinstance(actions, list) or len(actions) > MAX_ACTIONS:
            raise ScheduleError(f"actions must be a list of at most {MAX_ACTIONS}")
        read = tuple(read_action(position, item) for position, item in enumerate(actions))
        return cls(n_layers, read, name, batch_size, record.get("pieces", "large"), planned_rows)  # type: ignore[arg-type]


def parsed(text: str) -> object:
    """What the JSON of a schedule says. Raises `ScheduleError` for text that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise ScheduleError("a schedule is a JSON object; this text is not JSON") from None


def _checked(actions: Iterable[Action]) -> tuple[Action, ...]:
    """The actions as a tuple: each of them an action, on a layer and rows that are whole numbers."""
    try:
        checked = list(actions)
    except TypeError:
        raise ScheduleError(f"actions must be a sequence of actions; got {actions!r}") from None
    for position, action in enumerate(checked):
        if type(action) not in _KINDS:
            wanted = ", ".join(kind.__name__ for kind in _KINDS)
            raise ScheduleError(f"action {position} must be one of {wanted}; got {_shown(action)}", position=position)
        rows = action.rows
        if type(action.layer) is not int or (rows is not None and not _plain(rows)):
            checked[position] = _in_plain_numbers(position, action)
    return tuple(checked)


def _in_plain_numbers(position: int, action: Action) -> Action:
    """The action with Python's whole numbers in the place of others, such as NumPy's."""
    try:
        plain: dict[str, Any] = {"layer": index(action.layer)}
        if action.rows is not None:
            start, stop = action.rows
            plain["rows"] = index(start), index(stop)
    except (TypeError, ValueError):
        wanted = "a whole number as its layer, and None or two whole numbers as its rows"
        raise ScheduleError(f"action {position} must have {wanted}; got {_shown(action)}", position=position) from None
    return replace(action, **plain)


def _plain(rows: object) -> bool:
    return type(rows) is tuple and [type(row) for row in rows] == [int, int]


def _shown(action: object) -> str:
    return repr(action)[:60]


def _has_actions(schedule: Schedule) -> bool:
    """Whether the actions have been given, or written."""
    try:
        object.__getattribute__(schedule, "actions")
    except AttributeError:
        return False
    return True
