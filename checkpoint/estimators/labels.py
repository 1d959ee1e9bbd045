"""Classes, and how the outputs of a network name them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target


@dataclass(frozen=True, eq=False)
class Labels:
    """The classes, in order; `several`: a sample may be of several at once, and y is an indicator (n, classes).

    Two classes have one unit, whose output is the probability of the second. More have a unit each.
    """

    classes: np.ndarray
    several: bool = False

    @property
    def units(self) -> int:
        """The units of the output layer."""
        return len(self.classes) if self.several or len(self.classes) > 2 else 1

    @property
    def cost(self) -> str:
        """The cost that goes with such targets."""
        return "cross-entropy" if self.units > 1 and not self.several else "binary-cross-entropy"

    def targets(self, y: np.ndarray) -> np.ndarray:
        """`y` as mini-batches take it: the number of each class (n,), or the indicator. Raises `ValueError`."""
        if self.several:
            if y.ndim != 2 or y.shape[1] != len(self.classes):
                raise ValueError(f"y must be an indicator (n, {len(self.classes)}), as before; got shape {y.shape}")
            return y
        numbers = np.searchsorted(self.classes, y)
        unknown = self.classes[np.minimum(numbers, len(self.classes) - 1)] != y
        if unknown.any():
            row = int(unknown.argmax())
            raise ValueError(
                f"y holds the class {y[row : row + 1].tolist()[0]!r} in row {row}, which is not among the classes "
                f"{self.classes.tolist()!r:.80}; give all classes to the first partial_fit, or fit anew"
            )
        return numbers

    def named_by(self, outputs: np.ndarray) -> Any:
        """The class of each row of a network's outputs (n, units), or the indicator."""
        if self.several:
            return (outputs > 0.5).astype(np.int64)
        return self.classes[outputs.argmax(axis=1) if self.units > 1 else (outputs[:, 0] > 0.5).astype(np.intp)]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each class, (n, classes), by a network's outputs."""
        return outputs if self.units > 1 or self.several else np.hstack([1 - outputs, outputs])


def labels_of(y: np.ndarray, classes: Any = None) -> Labels:
    """The labels that `y` has, or those among `classes`. Raises `ValueError` for a y that names no classes."""
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return Labels(np.arange(y.shape[1]), several=True)
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of several classes each; give one column, or an indicator of 0 and 1 for each class"
        )
    found = np.unique(y if classes is None else np.asarray(classes))
    if len(found) < 2:
        one = found.tolist()[0]
        raise ValueError(f"y holds one class only, {one!r}; a classifier wants samples of two classes at least")
    return Labels(found)
