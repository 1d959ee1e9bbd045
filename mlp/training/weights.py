"""The weights of a data set's samples: given, or by their classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp.arrays import as_array
from mlp.errors import NetworkError
from mlp.row_weights import check_weights
from mlp.training.batches import CHECKED_ROWS, Batches
from mlp.training.metrics import Evaluated, classes_of


def sample_weights(
    network: Evaluated, data: Batches, *, sample_weight: Any = None, class_weight: Any = None
) -> np.ndarray | None:
    """The weight of each sample of `data`, (n,) float64: that given, times that of its class; None without either.

    `class_weight`: a number for each class, by its number from 0, where one left out is 1; or "balanced", which gives
    all classes one sum. Raises `NetworkError` for weights that are not finite, below 0 or all 0, and for targets that
    name no classes.
    """
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(len(data))
    if sample_weight is not None:
        given = np.asarray(network.backend.to_numpy(as_array("sample_weight", sample_weight, network.backend)))
        check_weights("sample_weight", given, len(data))
        weights *= given
    if class_weight is not None:
        classes = _classes(network, data)
        with np.errstate(over="ignore"):
            weights *= _of_classes(class_weight, classes)[classes]
        check_weights("sample_weight times class_weight", weights, len(data))
    if not weights.any():
        raise NetworkError("the weights of all samples are 0, so there is nothing to learn; give some above 0")
    return weights


def _classes(network: Evaluated, data: Batches) -> np.ndarray:
    """The number of each sample's class, (n,)."""
    kind, units = classes_of(network, data), network.sizes[-1]
    if kind.threshold is not None and units > 1:
        raise NetworkError("class_weight is for targets that name one class each; give sample_weight")
    found = np.empty(len(data), np.int64)
    for start in range(0, len(data), CHECKED_ROWS):
        rows = slice(start, min(start + CHECKED_ROWS, len(data)))
        y = data.targets(rows) if hasattr(data, "targets") else network.backend.to_numpy(data.take(rows)[1])
        found[rows] = y.argmax(axis=1) if kind.threshold is None else y[:, 0] > kind.threshold
    return found


def _of_classes(class_weight: Any, classes: np.ndarray) -> np.ndarray:
    """The weight of each class, by its number."""
    counts = np.bincount(classes)
    if isinstance(class_weight, str) and class_weight == "balanced":
        return np.where(counts, len(classes) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0)
    if not isinstance(class_weight, Mapping):
        raise NetworkError(f'class_weight must be "balanced" or weights by class number; got {class_weight!r:.60}')
    weights = np.ones(len(counts))
    for number, weight in class_weight.items():
        if not isinstance(number, int | np.integer) or not 0 <= number < len(counts):
            raise NetworkError(f"class_weight names class {number!r}; the classes are 0 to {len(counts) - 1}")
        weights[number] = weight
    check_weights("class_weight", weights, len(counts))
    return weights
