"""Records of a training's steps and epochs. Plain numbers; no arrays here."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from html import escape


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch: its number from 1, the seconds spent in steps, and the accuracy on the test data.

    `training_cost` is the mean cost of the epoch's samples, each in its step, before the step's update; where training
    was resumed within the epoch, of those since. `test_cost` is the mean cost on the test data, `validation_cost` and
    `validation_accuracy` are those on the validation data. They are None where no such data was given, and an accuracy
    is None where its targets name no classes. `batch_seconds` are those of `seconds` in which mini-batches were taken
    from the data; `evaluation_seconds` come on top.
    """

    epoch: int
    seconds: float
    test_accuracy: float | None
    batch_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    test_cost: float | None = None
    training_cost: float | None = None
    validation_accuracy: float | None = None
    validation_cost: float | None = None


Callback = Callable[[EpochRecord], bool | None]
"""Called with the record of each epoch; True stops the training."""


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step: `epoch` from 1, `step` from 1 within it, and the number of rows of its mini-batch."""

    epoch: int
    step: int
    rows: int


class History(list[EpochRecord]):
    """The records of a training's epochs, in order; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        rows = [shown_values(record) for record in self]
        names = list(dict.fromkeys(name for row in rows for name in row))
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(f"<tr>{''.join(f'<td>{row.get(name, str())}</td>' for name in names)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown_values(record: EpochRecord) -> dict[str, str]:
    """What is known of an epoch, as text by name: what is None is left out.

    >>> shown_values(EpochRecord(3, 1.25, 0.91))
    {'epoch': '3', 'seconds': '1.25', 'test accuracy': '0.91', 'batch seconds': '0', 'evaluation seconds': '0'}
    """
    values = {field.name.replace("_", " "): getattr(record, field.name) for field in fields(record)}
    digits = {name: 3 if name.endswith("seconds") else 4 for name in values}
    return {name: f"{value:.{digits[name]}g}" for name, value in values.items() if value is not None}
