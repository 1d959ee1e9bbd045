"""Mini-batches of a data set of `mlp.data`: its rows scaled and its classes made one-hot as they are taken.

The data may be in memory, mapped or in a file. A mini-batch is filled in blocks, so beside its own bytes it takes a
bounded number, however long the data is.
"""

from math import isfinite, isnan
from typing import Any

import numpy as np

from mlp.arguments import LARGEST
from mlp.data.dataset import Dataset, Samples
from mlp.data.values.column_scaling import ColumnScaling
from mlp.data.values.convert import as_inputs, one_hot
from mlp.data.values.mapped_pages import MappedPages
from mlp.data.values.scaling import PIXELS, Scaling
from mlp.data.values.survey import BLOCK_BYTES
from mlp.data.values.targets import Labels
from mlp.errors import NetworkError
from mlp.training.batches import CHECKED_ROWS, Taker
from mlp.training.sources import Rows
from mlp.training.targets import check_targets


class SampleBatches:
    """Mini-batches of `samples`, scaled by `by`. `finite`: whether all inputs are known to be finite."""

    def __init__(
        self, taker: Taker, samples: Samples, *, by: Scaling | ColumnScaling | None, finite: bool = True
    ) -> None:
        self._taker, self._samples, self._by = taker, samples, by
        self._columns = taker.sizes[-1]
        self._pages = MappedPages(samples.inputs)
        self.finite = finite

    @property
    def scaling(self) -> Scaling | None:
        """The range of values that becomes 0 to 1; None where columns are scaled one by one, or not at all."""
        return self._by if isinstance(self._by, Scaling) else None

    @property
    def divisor(self) -> float | None:
        """What the inputs are divided by: see `divisor_of_samples`."""
        return divisor_of_samples(self._samples, self._by)

    def __len__(self) -> int:
        return len(self._samples)

    def take(self, rows: Rows) -> tuple[Any, Any]:
        n_rows = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        backend = self._taker.backend
        divisor = self.divisor if backend.facts.asynchronous else None  # by which bytes become floats on the device
        X: Any = np.empty((n_rows, self._taker.sizes[0]), self._taker.dtype if divisor is None else np.uint8)
        y = np.empty((n_rows, self._columns), self._taker.dtype)
        self.fill(rows, X, y)
        if divisor is not None:
            numbers, X = backend.asarray(X), backend.empty(X.shape, self._taker.dtype)
            backend.divide_bytes_(X, numbers, divisor)
            del numbers
        if not self.finite:
            return self._taker.as_batch(X, y)
        with self._taker.trusting_inputs():
            return self._taker.as_batch(X, y)

    def targets(self, rows: Rows) -> np.ndarray:
        """These rows of y, on the host."""
        numbers = self._samples.numbers(rows)
        targets = self._samples.targets
        if not isinstance(targets, Labels):
            with np.errstate(over="ignore"):  # values too large for the dtype become infinite, which is checked
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
        inputs, numbers = self._samples.inputs, self._samples.numbers(rows)
        at_once = max(1, BLOCK_BYTES // (8 * X.shape[1]))
        if isinstance(numbers, slice):
            numbers = slice(*numbers.indices(len(self._samples.targets)))
        else:
            at_once = min(at_once, self._pages.places_at_once or at_once)
        for start in range(0, len(X), at_once):
            stop = min(start + at_once, len(X))
            if isinstance(numbers, slice):
                block = inputs[numbers.start + start : numbers.start + stop]
            elif isinstance(inputs, np.ndarray):
                block = inputs.take(numbers[start:stop], axis=0)
            else:
                block = inputs[numbers[start:stop]]
            self._scale(block, X[start:stop])
            self._pages.read(block.nbytes, places=1 if isinstance(numbers, slice) else stop - start)
        y[...] = self.targets(rows)

    def _scale(self, block: np.ndarray, out: np.ndarray) -> None:
        if out.dtype == np.uint8:
            out[...] = block
        elif isinstance(self._by, ColumnScaling):
            self._by.apply(block, out)
        elif self._by is not None and block.dtype == np.uint8:
            as_inputs(block, out.dtype, out=out, scaling=self._by)
        else:
            with np.errstate(over="ignore"):  # as in `targets`
                if self._by is None:
                    out[...] = block
                else:
                    np.divide(block, self._by.high, out=out, casting="same_kind", dtype=np.float64)


def divisor_of_samples(samples: Samples, by: Scaling | ColumnScaling | None) -> float | None:
    """What inputs in uint8, scaled by `by`, are divided by; None for others, and where each column has its scaling."""
    if samples.inputs.dtype != np.uint8 or isinstance(by, ColumnScaling):
        return None
    return 1.0 if by is None else by.high


class ImageBatches(SampleBatches):
    """Mini-batches of uint8 images (n, n_0), scaled to 0..1, and whole-number labels (n,), made one-hot.

    `scaling` is that of the images' data set, 0..255 unless given. Raises `NetworkError` where images or labels don't
    fit the network, or it was trained on images of another range.
    """

    def __init__(self, taker: Taker, images: np.ndarray, labels: np.ndarray, *, scaling: Scaling | None = None) -> None:
        check_images(taker.sizes, images, labels)
        _check_range(taker, scaling)
        samples = Samples(images, Labels(labels, int(labels.max()) + 1))
        super().__init__(taker, samples, by=scaling or getattr(taker, "scaling", None) or PIXELS)


def batches_of_part(taker: Taker, dataset: Dataset, part: str) -> SampleBatches:
    """Mini-batches of the "train", "test" or "validation" samples of `dataset`, for `SGD`, `evaluate` and `mean_cost`.

    >>> from mlp import Network, data
    >>> sample = data.load("sample")
    >>> len(batches_of_part(Network([sample.features, sample.outputs]), sample, "test"))
    1000

    Raises `NetworkError` where they don't fit the network, it was trained on values of another range, or a target is
    not finite in its dtype.
    """
    samples: Samples | None = getattr(dataset, part)
    if samples is None:
        raise NetworkError(f"{dataset.name} has no {part} samples")
    check_fit(taker.sizes, dataset)
    _check_range(taker, dataset.scaling)
    if dataset.largest > LARGEST[taker.dtype]:
        raise NetworkError(
            f"{dataset.name} holds values up to {dataset.largest:.3g}, more than {taker.dtype} can; scale the "
            f"columns, or take float64"
        )
    batches = SampleBatches(taker, samples, by=dataset.preparation.scaling, finite=dataset.finite)
    if dataset.preparation.classes is None:
        of_part = "" if dataset.test.targets is dataset.train.targets else "test " if part == "test" else "train "
        where = f"{dataset.name}: {of_part}targets"
        for start in range(0, len(samples), CHECKED_ROWS):
            y = batches.targets(slice(start, start + CHECKED_ROWS))
            _check_finite(y, samples, start, where=where, dtype=taker.dtype)
            check_targets(y, taker.cost, first=start)
    return batches


def _check_finite(y: np.ndarray, samples: Samples, start: int, *, where: str, dtype: str) -> None:
    """Raise `NetworkError` unless `y`, the targets of `samples` from `start` on, are finite in `dtype`."""
    wrong = np.argwhere(~np.isfinite(y))
    if not len(wrong):
        return
    place, column = (int(number) for number in wrong[0])
    row = start + place if samples.rows is None else int(samples.rows[start + place])
    value = float(samples.targets.stored[row][column])
    at = f"row {row} (from 0)" + (f", column {column}," if y.shape[1] > 1 else "")
    if isfinite(value):
        raise NetworkError(f"{where}: {at} holds {value:.3g}, more than {dtype} can; scale them, or take float64")
    raise NetworkError(f"{where}: {at} is {'NaN' if isnan(value) else 'infinite'}; fill it in, or leave the row out")


def _check_range(taker: Taker, scaling: Scaling | None) -> None:
    """Raise `NetworkError` where values are of another range than those that the network was trained on."""
    trained: Scaling | None = getattr(taker, "scaling", None)
    if scaling and trained and scaling != trained:
        raise NetworkError(
            f"the values of these images run from {scaling}, and the network was trained on {trained}; scale them alike"
        )


def check_images(sizes: tuple[int, ...], images: np.ndarray, labels: np.ndarray) -> None:
    """Raise `NetworkError` unless a network of `sizes` takes such images, and has an output for each label."""
    if images.shape[1] != sizes[0]:
        raise NetworkError(f"the images have {images.shape[1]} pixels, the network {sizes[0]} inputs; change sizes")
    if len(images) != len(labels):
        raise NetworkError(f"images and labels must be as many; got {len(images)} images and {len(labels)} labels")
    if labels.dtype.kind not in "iu" or int(labels.min()) < 0:
        raise NetworkError(f"labels must be whole numbers from 0 on; got {labels.dtype}, the smallest {labels.min()}")
    largest = int(labels.max())
    if largest >= sizes[-1]:
        raise NetworkError(
            f"the largest label is {largest}, so the last layer needs at least {largest + 1} units; got {sizes[-1]}"
        )


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
