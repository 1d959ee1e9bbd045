"""What an estimator is given, checked by scikit-learn, with the column named where one is at fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from checkpoint.estimators.needed import validate_data
from mlp.arrays import is_masked
from mlp.training.batches import CHECKED_ROWS

FLOATS = (np.float64, np.float32)
"""The dtypes that stay what they are; others become the first."""


def features_of(estimator: Any, X: Any) -> np.ndarray:
    """`X` (n, n_features_in_) for a fitted estimator, an array of one of `FLOATS`. Raises `ValueError`."""
    _check_unmasked(X=X)
    with _saying_which_column(X):
        found: np.ndarray = validate_data(estimator, X, dtype=FLOATS, reset=False, ensure_all_finite=False)
    _check_finite(X, found)
    return found


def training_data_of(estimator: Any, X: Any, y: Any, *, reset: bool, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """`X` (n, features) of one of `FLOATS`, and `y` (n,) or (n, outputs). Raises `ValueError`.

    `reset`: the number and the names of the features become the estimator's; otherwise they must be the same.
    `numeric`: `y` must be numbers.
    """
    _check_unmasked(X=X, y=y)
    with _saying_which_column(X):
        found, targets = validate_data(
            estimator, X, y, dtype=FLOATS, reset=reset, multi_output=True, y_numeric=numeric, ensure_all_finite=False
        )
    _check_finite(X, found)
    targets = targets.toarray() if hasattr(targets, "toarray") else targets
    return found, column_or_1d(targets, warn=True) if targets.ndim == 2 and targets.shape[1] == 1 else targets


def _check_unmasked(**given: Any) -> None:
    """Raise `ValueError` for a masked array, whose hidden values scikit-learn would take."""
    for name, values in given.items():
        if is_masked(values):
            raise ValueError(f"{name} is a masked array, and what it hides would be used; give {name}.filled(...)")


def weights_of(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """The weights of `n_samples` samples, float64; None where none are given. Raises `ValueError` for what are none."""
    if sample_weight is None:
        return None
    _check_unmasked(sample_weight=sample_weight)
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"sample_weight must be numbers, one a sample; got {repr(sample_weight)[:60]}") from None
    if weights.ndim == 0:
        weights = np.full(n_samples, float(weights))
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight must be ({n_samples},), one a sample; got shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError(
            f"sample_weight {int(np.argmin(np.isfinite(weights)))} is NaN or infinite; give finite weights"
        )
    if weights.min() < 0:
        raise ValueError(f"sample_weight {int(weights.argmin())} is {weights.min():g}; weights must be 0 or more")
    if not weights.any():
        raise ValueError("sample_weight is zero for every sample, which leaves nothing to learn from")
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not np.isfinite([total, n_samples / total]).all():
        raise ValueError(
            f"sample_weight sums to {total:g}, which nothing can be divided by; scale the weights to near 1"
        )
    return weights


@contextmanager
def _saying_which_column(X: Any) -> Iterator[None]:
    """A block in which a table's column that holds no numbers is named."""
    try:
        yield
    except (ValueError, TypeError) as error:
        for name, column in X.items() if hasattr(X, "columns") and hasattr(X, "items") else ():
            if not _is_numeric(column):
                raise ValueError(
                    f"column {name!r} of X holds {column.iloc[0]!r:.40}, which is no number; encode the column, or "
                    f"leave it out"
                ) from error
        raise


def _is_numeric(column: Any) -> bool:
    try:
        np.asarray(column, dtype=np.float64)
    except (ValueError, TypeError):
        return False
    return True


def _check_finite(X: Any, found: np.ndarray) -> None:
    for start in range(0, len(found), CHECKED_ROWS):
        finite = np.isfinite(found[start : start + CHECKED_ROWS])
        if not finite.all():
            row, column = (int(index) for index in np.argwhere(~finite)[0])
            value = "NaN" if np.isnan(found[start + row, column]) else "an infinity (inf)"
            name = f" ({list(X.columns)[column]!r})" if hasattr(X, "columns") else ""
            raise ValueError(
                f"X holds {value} in column {column}{name}, row {start + row}; fill such values in, or leave them out"
            )
