"""Rows held out from training: which, by a seed. Row numbers alone; no data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DataError

RowNumbers = NDArray[np.intp]


def split_rows(
    rows: int | RowNumbers, share: float, *, seed: int, labels: NDArray[Any] | None = None
) -> tuple[RowNumbers, RowNumbers]:
    """(the rows that stay, the rows held out): increasing row numbers, drawn by `seed`.

    `rows`: how many there are, or the numbers of those to split. `share`: the part held out, above 0 and below 1,
    rounded to whole rows. With `labels`, one for each of the rows, every class is held out from in that proportion, as
    nearly as whole rows allow. Raises `DataError` where either part would be empty.

    >>> stay, out = split_rows(10, 0.2, seed=0)
    >>> len(stay), len(out), sorted({*stay.tolist(), *out.tolist()}) == list(range(10))
    (8, 2, True)
    """
    numbers = np.arange(rows, dtype=np.intp) if isinstance(rows, int) else rows
    n_out = round(share * len(numbers)) if 0 < share < 1 else 0
    if not 0 < n_out < len(numbers):
        raise DataError(
            f"a share of {share:g} of {len(numbers)} rows leaves {len(numbers) - n_out} to train on and {n_out} held "
            f"out; wanted at least one of each"
        )
    random = np.random.default_rng([seed, len(numbers)])
    chosen = np.zeros(len(numbers), dtype=bool)
    if labels is None:
        chosen[random.permutation(len(numbers))[:n_out]] = True
    else:
        # Rows in random order, then by class, and the held-out ones at even steps along that.
        order = random.permutation(len(numbers))
        order = order[np.argsort(labels[order], kind="stable")]
        chosen[order[(np.arange(n_out) * len(numbers) + len(numbers) // 2) // n_out]] = True
    return numbers[~chosen], numbers[chosen]
