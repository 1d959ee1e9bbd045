"""Records of a training's steps and epochs. Plain numbers; no arrays here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch: its number from 1, the seconds spent in steps, and the accuracy on the test data.

    `test_cost` is the mean cost on the test data. Both are None where no test data was given, and the accuracy is None
    where its targets name no classes. `batch_seconds` are those of `seconds` in which mini-batches were taken from the
    data; `evaluation_seconds` come on top.
    """

    epoch: int
    seconds: float
    test_accuracy: float | None
    batch_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    test_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step: `epoch` from 1, `step` from 1 within it, and the number of rows of its mini-batch."""

    epoch: int
    step: int
    rows: int
