"""Part of a data set held out for validation: mini-batches of some rows of another data set.

No row is copied: a part is the numbers of its rows, eight bytes each.
"""

from typing import Any

import numpy as np

from mlp.arguments import check_number
from mlp.data.values.split import split_rows
from mlp.errors import NetworkError
from mlp.training.batches import Batches, divisor_of, known_finite
from mlp.training.sources import Rows


class SomeBatches:
    """Mini-batches of some rows of `data`: `rows` (k,) are their numbers there."""

    def __init__(self, data: Batches, rows: np.ndarray) -> None:
        self._data, self.rows = data, rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Rows) -> tuple[Any, Any]:
        return self._data.take(self.rows[rows])

    def targets(self, rows: Rows) -> np.ndarray:
        """These rows of y, on the host."""
        held: np.ndarray = self._data.targets(self.rows[rows])  # type: ignore[attr-defined]
        return held

    @property
    def finite(self) -> bool:
        """Whether all inputs are known to be finite."""
        return known_finite(self._data)

    @property
    def scaling(self) -> Any:
        """That of `data`; an `AttributeError` where it has none."""
        return self._data.scaling  # type: ignore[attr-defined]

    @property
    def on_host(self) -> bool:
        """Whether `fill` can be used."""
        return bool(getattr(self._data, "on_host", False))

    @property
    def divisor(self) -> float | None:
        """What inputs in uint8 are divided by, as `mlp.training.batches.divisor_of` says."""
        return divisor_of(self._data)

    def fill(self, rows: Rows, X: np.ndarray, y: np.ndarray) -> None:
        """Write these rows to `X` and `y`, as `mlp.training.batches.HostBatches` says."""
        self._data.fill(self.rows[rows], X, y)  # type: ignore[attr-defined]


def parts_of(data: Batches, share: float, *, seed: int) -> tuple[SomeBatches, SomeBatches]:
    """The part of `data` to train on, and the part of about `share` of it to validate on: see `mlp.data.values.split`.

    Raises `NetworkError` for a share that is not above 0 and below 1, `DataError` where either part would be empty.
    """
    if not 0 < check_number("validation_split", share) < 1:
        raise NetworkError(f"validation_split must be above 0 and below 1; got {share!r}")
    training, held = split_rows(len(data), share, seed=seed)
    return SomeBatches(data, training), SomeBatches(data, held)
