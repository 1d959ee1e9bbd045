"""How raw data became what a network was trained on, as a record and as JSON: classes, scaling, columns.

It is saved with the network as text, so that `evaluate` and `predict` treat other data alike. That text is not trusted.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any

from mlp.data.errors import DataError
from mlp.data.values.column_scaling import ColumnScaling
from mlp.data.values.columns import MAX_COLUMNS, Column
from mlp.data.values.reading import Reading
from mlp.data.values.scaling import Scaling
from mlp.data.values.targets import MAX_CLASSES, Name

NOTE = "preparation"
"""What a saved state's notes call it."""

MAX_TEXT = 2**21

Span = tuple[float, float]
"""The least and the largest of some values."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was done to the training data. Raises `DataError` where its parts do not fit each other.

    `features`: inputs; `shape`: of one sample, such as (28, 28) or (32, 32, 3). `classes`: their names, None for values
    of `outputs` columns. `scaling`: None where values are taken as they are. `columns`: of a table, else None. `span`:
    that of the raw inputs; None where they were not looked through.
    """

    features: int
    outputs: int
    shape: tuple[int, ...]
    classes: tuple[Name, ...] | None = None
    scaling: Scaling | ColumnScaling | None = None
    columns: tuple[Column, ...] | None = None
    reading: Reading = field(default_factory=Reading)
    span: Span | None = None

    def __post_init__(self) -> None:
        sizes = (self.features, self.outputs, *self.shape)
        fits = all(type(size) is int and 0 < size < 2**31 for size in sizes) and 0 < len(self.shape) <= 3
        product = 1
        for size in self.shape if fits else ():
            product *= size
        if self.classes is not None:
            known = all((type(name) is int and abs(name) < 2**63) or _is_text(name) for name in self.classes)
            fits = fits and known and len(set(self.classes)) == len(self.classes) == self.outputs <= MAX_CLASSES
            fits = fits and len({type(name) for name in self.classes}) == 1
            fits = fits and sorted(self.classes) == list(self.classes)
        if self.columns is not None:
            fits = fits and sum(len(column.inputs) for column in self.columns) == self.features
        if isinstance(self.scaling, ColumnScaling):
            fits = fits and len(self.scaling.shift) == self.features
        if self.span is not None:
            fits = fits and len(self.span) == 2 and all(type(end) is float and isfinite(end) for end in self.span)
        if not fits or product != self.features:
            raise DataError("what is said of the training data does not fit together; it is damaged, or made elsewhere")

    @property
    def pixels(self) -> Scaling | None:
        """The scaling of images of bytes; None for any other."""
        return self.scaling if isinstance(self.scaling, Scaling) else None

    def name_of(self, number: int) -> str:
        """What the class of this number is called."""
        return str(number if self.classes is None or number >= len(self.classes) else self.classes[number])

    def to_json(self) -> str:
        """A JSON object that `from_json` reads back."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Preparation":
        """The record that `to_json` wrote. Raises `DataError` for any other text."""
        try:
            record = json.loads(text) if len(text) <= MAX_TEXT else None
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            record = {"span": None, **record}  # which older states do not say
        record = _with_fields(record, cls)
        reading = _with_fields(record["reading"], Reading)
        reading["drop"] = _tuple(reading["drop"])
        scaling: Any = record["scaling"]
        if scaling is not None and set(scaling if isinstance(scaling, dict) else ()) == {"high"}:
            scaling = Scaling(**scaling)
        elif scaling is not None:
            scaling = _with_fields(scaling, ColumnScaling)
            scaling = ColumnScaling(scaling["kind"], _tuple(scaling["shift"]), _tuple(scaling["divisor"]))
        columns = None if record["columns"] is None else _tuple(record["columns"])
        if columns is not None:
            read = [_with_fields(column, Column) for column in columns[:MAX_COLUMNS]]
            columns = tuple(
                Column(column["name"], None if column["categories"] is None else _tuple(column["categories"]))
                for column in read
            )
        return cls(
            record["features"],
            record["outputs"],
            _tuple(record["shape"]),
            None if record["classes"] is None else _tuple(record["classes"]),
            scaling,
            columns,
            Reading(**reading),
            None if record["span"] is None else _tuple(record["span"]),
        )


def wanted_of(preparation: Preparation, given: Reading) -> Preparation:
    """`preparation`, with what `given` says of how to go through the file."""
    return replace(preparation, reading=replace(preparation.reading, skip_pass=given.skip_pass))


def _is_text(name: object) -> bool:
    return isinstance(name, str) and len(name) <= 200 and name.isprintable()


def _with_fields(record: Any, kind: type[Any]) -> dict[str, Any]:
    if not isinstance(record, dict) or set(record) != set(kind.__dataclass_fields__):
        raise DataError(f"wanted what was saved of the training data as {kind.__name__}; it is damaged")
    return dict(record)


def _tuple(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list) or any(isinstance(value, list) for value in values):
        raise DataError("wanted a list in what was saved of the training data; it is damaged")
    return tuple(values)
