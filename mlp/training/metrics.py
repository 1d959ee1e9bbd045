"""Accuracy, for targets that name classes, and the mean cost, for any targets.

Accuracy by the largest output is meant for one-hot targets. One unit has no other to be larger than, so there it is by
a threshold, of targets 0 and 1 or -1 and 1. Under binary cross-entropy several classes may be meant at once: then a
sample counts where all of its outputs are on the right side of 1/2, as scikit-learn's `accuracy_score` has it. For any
other targets accuracy would be a meaningless number, and is refused.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from mlp.arguments import check_whole
from mlp.buffers import Buffers
from mlp.errors import NetworkError
from mlp.training.batches import CHECKED_ROWS, Batches, Taker
from mlp.training.history import EpochRecord
from mlp.training.targets import shown

EVALUATED_ROWS = 1000
"""Rows evaluated at a time by default."""

SUMMED_ROWS = 128
"""Rows whose cost is summed by itself."""


_QUIET = np.errstate(over="ignore", invalid="ignore")
"""BLAS libraries compute on what lies beside small matrices too, and NumPy then warns of values that nobody uses."""


class Evaluated(Taker, Protocol):
    """What can be evaluated."""

    @property
    def buffers(self) -> Buffers: ...

    def feedforward(self, X: Any) -> Any: ...

    def evaluated_rows(self, rows: int) -> tuple[int, int]: ...

    def all_sums(self, sums: list[tuple[float, float]]) -> list[tuple[float, float]]: ...


@dataclass(frozen=True, slots=True)
class Classes:
    """How targets name classes: by the largest value of a row, or by which side of `threshold` each value is on."""

    threshold: float | None = None

    def count_correct(self, network: Evaluated, output: Any, y: Any) -> int:
        """The number of rows in which the output names the class of the target."""
        if self.threshold is None:
            return network.backend.count_correct(output, y)
        above = [network.backend.to_numpy(a) > self.threshold for a in (output, y)]
        return int((above[0] == above[1]).all(axis=1).sum())


def classes_of(network: Evaluated, data: Batches) -> Classes:
    """How the targets of `data` name the classes of the network's outputs.

    Raises `NetworkError` where they name none: values of a regression, or several classes at once for a cost that is
    about one.
    """
    units, several = network.sizes[-1], network.cost == "binary-cross-entropy"
    signs = zeros = single = True
    for start in range(0, len(data), CHECKED_ROWS):
        rows = slice(start, min(start + CHECKED_ROWS, len(data)))
        y = data.targets(rows) if hasattr(data, "targets") else network.backend.to_numpy(data.take(rows)[1])
        one = y == 1
        zeros = zeros and bool(((y == 0) | one).all())
        signs = signs and units == 1 and bool(((y == -1) | one).all())
        single = single and bool((one.sum(axis=1) == 1).all())
        if not (signs or zeros) or (units > 1 and not (single or several)):
            fits = ((y == 0) | one).all(axis=1) & (several | (units == 1) | (one.sum(axis=1) == 1))
            row = int(np.argmin(fits))
            wanted = "0 and 1, or -1 and 1" if units == 1 else "zeros and ones" if several else "one 1 among zeros"
            raise NetworkError(
                f"accuracy is for targets that name a class, {wanted} in each row; row {start + row} of y is "
                f"{shown(y[row])}; ask for the mean cost instead"
            )
    if units > 1:
        return Classes() if single else Classes(0.5)
    return Classes(0.5 if zeros else 0.0)


@_QUIET
def accuracy(network: Evaluated, data: Batches, *, batch_size: int = EVALUATED_ROWS) -> float:
    """The fraction of samples whose output names the class of the target, in 0..1; `batch_size` rows at a time.

    Raises `NetworkError` where the targets name no classes.
    """
    batch_size = check_whole("the batch size", batch_size, least=1)
    classes = classes_of(network, data)
    correct = 0
    for output, y in outputs_of(network, data, batch_size):
        correct += classes.count_correct(network, output, y)
    return correct / len(data)


@_QUIET
def mean_cost(network: Evaluated, data: Batches, *, batch_size: int = EVALUATED_ROWS) -> float:
    """The network's cost on `data`, the mean over the samples; `batch_size` rows at a time."""
    batch_size = check_whole("the batch size", batch_size, least=1)
    total = 0.0
    for output, y in outputs_of(network, data, batch_size):
        total += network.backend.cost_sum(output, y, network.cost)
    return total / len(data)


class Evaluation:
    """The accuracy and the mean cost on one data set, computed on each call; the targets are classified once."""

    def __init__(self, network: Evaluated, data: Batches) -> None:
        self._network, self._data = network, data
        self._classes: Classes | None = None
        with suppress(NetworkError):  # a regression, say, has a cost and no accuracy
            self._classes = classes_of(network, data)

    @_QUIET
    def __call__(self) -> tuple[float | None, float]:
        """(accuracy, mean cost) now; the accuracy is None where targets name no classes.

        The sums of every `SUMMED_ROWS` rows are added in order, so the figures are the same however many rows are taken
        at a time, and whoever takes them.
        """
        network, n = self._network, len(self._data)
        sums: list[tuple[float, float]] = []
        for output, y in outputs_of(network, self._data, EVALUATED_ROWS, network.evaluated_rows(n)):
            for start in range(0, output.shape[0], SUMMED_ROWS):
                rows = slice(start, min(start + SUMMED_ROWS, output.shape[0]))
                some, targets = output[rows, :], y[rows, :]
                right = 0 if self._classes is None else self._classes.count_correct(network, some, targets)
                sums.append((right, network.backend.cost_sum(some, targets, network.cost)))
        sums = network.all_sums(sums)
        correct, cost = sum(part[0] for part in sums), sum(part[1] for part in sums)
        return None if self._classes is None else correct / n, cost / n


class Evaluations:
    """What is measured after an epoch: cost and accuracy on the validation data and on the test data, where there are.

    Each call adds them to the record of an epoch, with the seconds that it took.
    """

    def __init__(self, network: Evaluated, validation_data: Batches | None, test_data: Batches | None) -> None:
        found = {"validation": validation_data, "test": test_data}
        self._evaluations = {name: Evaluation(network, data) for name, data in found.items() if data is not None}

    def __call__(self, record: EpochRecord) -> EpochRecord:
        """`record` with what is measured now."""
        begun = time.perf_counter()
        for name, evaluation in self._evaluations.items():
            accuracy, cost = evaluation()
            measured: dict[str, Any] = {f"{name}_accuracy": accuracy, f"{name}_cost": cost}
            record = replace(record, **measured)
        return replace(record, evaluation_seconds=time.perf_counter() - begun)


def outputs_of(
    network: Evaluated, data: Batches, batch_size: int, part: tuple[int, int] | None = None
) -> Iterator[tuple[Any, Any]]:
    """(output, y) of all mini-batches of `data`, or of rows `part[0]` to `part[1]` of it, in order."""
    rows = network.buffers.rows_at_once(network.sizes[1:-1], most=batch_size)
    if rows > SUMMED_ROWS:
        rows -= rows % SUMMED_ROWS
    first, end = part or (0, len(data))
    for start in range(first, end, rows):
        X, y = data.take(slice(start, min(start + rows, end)))
        yield network.feedforward(X), y
