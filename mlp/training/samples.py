"""Mini-batches of a data set of `mlp.data`: its rows scaled and its classes made one-hot as they are taken.

The data may be in memory, mapped or in a file. A mini-batch is filled in blocks, so beside its own bytes it takes a
bounded number, however long the data is.
"""

from typing import Any

import numpy as np

from mlp.arguments import LARGEST
from mlp.data.column_scaling import ColumnScaling
from mlp.data.convert import as_inputs, one_hot
from mlp.data.dataset import Dataset, Samples
from mlp.data.scaling import Scaling
from mlp.data.survey import BLOCK_BYTES
from mlp.data.targets import Labels
from mlp.errors import NetworkError
from mlp.training.batches import Taker
from mlp.training.sources import Rows


class SampleBatches:
    """Mini-batches of `part`, the training, test or validation samples of `dataset`.

    Raises `NetworkError` where they don't fit the network, or it was trained on values of another range.
    """

    def __init__(self, taker: Taker, dataset: Dataset, part: Samples) -> None:
        check_fit(taker.sizes, dataset)
        trained: Scaling | None = getattr(taker, "scaling", None)
        if dataset.scaling and trained and dataset.scaling != trained:
            raise NetworkError(
                f"the values of these images run from {dataset.scaling}, and the network was trained on {trained}; "
                f"scale them alike"
            )
        if dataset.largest > LARGEST[taker.dtype]:
            raise NetworkError(
                f"{dataset.name} holds values up to {dataset.largest:.3g}, more than {taker.dtype} can; scale them, "
                f"as by --scale standard, or take float64"
            )
        self._taker, self._part = taker, part
        self._by = dataset.preparation.scaling
        self._columns = taker.sizes[-1]
        self.scaling = dataset.scaling
        self.finite = dataset.finite
        """Whether all inputs are known to be finite."""

    def __len__(self) -> int:
        return len(self._part)

    def take(self, rows: Rows) -> tuple[Any, Any]:
        n_rows = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        X = np.empty((n_rows, self._taker.sizes[0]), self._taker.dtype)
        y = np.empty((n_rows, self._columns), self._taker.dtype)
        self.fill(rows, X, y)
        if not self.finite:
            return self._taker.as_batch(X, y)
        with self._taker.trusting_inputs():
            return self._taker.as_batch(X, y)

    def targets(self, rows: Rows) -> np.ndarray:
        """These rows of y, on the host."""
        numbers = self._part.numbers(rows)
        targets = self._part.targets
        if not isinstance(targets, Labels):
            return np.asarray(targets.stored[numbers]).astype(self._taker.dtype, order="C")
        classes = targets.numbers(numbers)
        if self._columns == 1:  # two classes by one output
            return classes.reshape(-1, 1).astype(self._taker.dtype)
        return one_hot(classes, classes=self._columns, dtype=self._taker.dtype)

    @property
    def on_host(self) -> bool:
        """Always true of these."""
        return True

    def fill(self, rows: Rows, X: np.ndarray, y: np.ndarray) -> None:
        numbers = self._part.numbers(rows)
        if isinstance(numbers, slice):
            numbers = slice(*numbers.indices(len(self._part.targets)))
        at_once = max(1, BLOCK_BYTES // (8 * X.shape[1]))
        for start in range(0, len(X), at_once):
            stop = min(start + at_once, len(X))
            if isinstance(numbers, slice):
                block = self._part.inputs[numbers.start + start : numbers.start + stop]
            else:
                block = self._part.inputs[numbers[start:stop]]
            self._scale(block, X[start:stop])
        y[...] = self.targets(rows)

    def _scale(self, block: np.ndarray, out: np.ndarray) -> None:
        if isinstance(self._by, ColumnScaling):
            self._by.apply(block, out)
        elif self._by is None:
            out[...] = block
        elif block.dtype == np.uint8:
            as_inputs(block, out.dtype, out=out, scaling=self._by)
        else:
            np.divide(block, self._by.high, out=out, casting="same_kind", dtype=np.float64)


def batches_of_part(taker: Taker, dataset: Dataset, part: str) -> SampleBatches:
    """Mini-batches of the "train", "test" or "validation" samples of `dataset`. Raises `NetworkError`."""
    samples: Samples | None = getattr(dataset, part)
    if samples is None:
        raise NetworkError(f"{dataset.name} has no {part} samples")
    return SampleBatches(taker, dataset, samples)


def check_fit(sizes: tuple[int, ...], dataset: Dataset) -> None:
    """Raise `NetworkError` unless a network of `sizes` takes such samples, and has the outputs for their targets."""
    images = dataset.kind == "image"
    if dataset.features != sizes[0]:
        what = f"the images have {dataset.features} pixels" if images else f"the data has {dataset.features} inputs"
        raise NetworkError(f"{what}, the network {sizes[0]} inputs; change sizes")
    labels, outputs = isinstance(dataset.train.targets, Labels), dataset.outputs
    if labels and (sizes[-1] >= outputs or (sizes[-1] == 1 and outputs == 2)):
        return
    if labels and images:
        raise NetworkError(
            f"the largest label is {outputs - 1}, so the last layer needs at least {outputs} units; got {sizes[-1]}"
        )
    if sizes[-1] != outputs:
        what = "classes" if dataset.preparation.classes is not None else "columns of targets"
        raise NetworkError(f"the data has {outputs} {what}, the last layer {sizes[-1]} units; change sizes")
