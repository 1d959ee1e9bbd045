"""A data set: samples to train and to test with, and how raw values became what they are. Knows no file.

Inputs stay as they are, in memory, mapped, or in a file that is read by rows: images as bytes, 47 MB for MNIST, where
float32 takes 188 MB. A mini-batch's floats are made when it is taken.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DataError
from mlp.data.values.preparation import Preparation
from mlp.data.values.scaling import Scaling
from mlp.data.values.survey import digest_of
from mlp.data.values.targets import Labels, Rows, Targets


@dataclass(frozen=True, eq=False)
class Samples:
    """Some rows of `inputs` (n, features) and of `targets`: those numbered in `rows`, or all."""

    inputs: Any
    targets: Targets
    rows: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.targets) if self.rows is None else len(self.rows)

    def numbers(self, rows: Rows) -> Rows:
        """Where these rows are in `inputs` and `targets`."""
        return rows if self.rows is None else self.rows[rows]

    @property
    def held_bytes(self) -> int:
        """The bytes of the row numbers."""
        return 0 if self.rows is None else self.rows.nbytes


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples for training and testing, made and checked by `load`, `dataset_from_arrays` and `prepared`.

    `name`: "mnist", "sample" or the path. `notice`: one line that the user should see, or None. `finite`: whether all
    inputs are known to be finite; `largest`: the largest magnitude among them once scaled, as far as known.
    `given_digest`: the digest, where it was computed on the way; "" where that was left out.
    """

    train: Samples
    test: Samples
    name: str
    preparation: Preparation
    notice: str | None = None
    validation: Samples | None = None
    finite: bool = True
    largest: float = 1.0
    given_digest: str | None = None

    @property
    def features(self) -> int:
        """Values of a sample: the size of the network's input."""
        return self.preparation.features

    @property
    def outputs(self) -> int:
        """The outputs that predict the targets: one for each class, or for each value."""
        return self.preparation.outputs

    @property
    def scaling(self) -> Scaling | None:
        """The range of values that becomes 0 to 1; None where columns are scaled one by one, or not at all."""
        return self.preparation.pixels

    @property
    def kind(self) -> str:
        """What a sample is called."""
        return "image" if len(self.preparation.shape) > 1 or self.preparation.pixels is not None else "sample"

    @property
    def held_bytes(self) -> int:
        """The bytes of all row numbers, which are held while training on some rows of a file."""
        return sum(part.held_bytes for part in (self.train, self.test, self.validation) if part is not None)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shapes and data, in hex, whatever the file format; "" where it was not to be computed."""
        if self.given_digest is not None:
            return self.given_digest
        parts = [self.train] if self.test.inputs is self.train.inputs else [self.train, self.test]
        return digest_of([array for part in parts for array in (part.inputs, part.targets.stored)])

    # Images by the names of their parts

    @property
    def train_images(self) -> NDArray[Any]:
        """Inputs to train with, (n, features), raw."""
        return _rows_of(self.train.inputs, self.train)

    @property
    def test_images(self) -> NDArray[Any]:
        """Inputs to test with, (n, features), raw."""
        return _rows_of(self.test.inputs, self.test)

    @property
    def train_labels(self) -> NDArray[Any]:
        """The number of each training sample's class, (n,)."""
        return _labels_of(self.train)

    @property
    def test_labels(self) -> NDArray[Any]:
        """The number of each test sample's class, (n,)."""
        return _labels_of(self.test)


def _rows_of(stored: Any, part: Samples) -> NDArray[Any]:
    found: NDArray[Any] = stored if part.rows is None else stored[part.rows]
    return found


def _labels_of(part: Samples) -> NDArray[Any]:
    if not isinstance(part.targets, Labels):
        raise DataError("these targets are no labels, but rows of numbers")
    return part.targets.numbers(slice(None) if part.rows is None else part.rows)
