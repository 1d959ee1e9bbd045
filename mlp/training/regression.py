"""How near values are to those wanted: the root of the mean square error, and R^2."""

from math import sqrt

import numpy as np

from mlp.training.batches import Batches
from mlp.training.metrics import EVALUATED_ROWS, Evaluated, outputs_of


def fit_of(network: Evaluated, data: Batches, *, batch_size: int = EVALUATED_ROWS) -> tuple[float, float | None]:
    """(RMSE, R^2) of the network's outputs on `data`, `batch_size` rows at a time.

    The first is over all values. The second is 1 - (sum of squared errors) / (that around the mean), the mean over the
    outputs; None where the targets of an output are all alike.
    """
    units = network.sizes[-1]
    errors, mean, spread = np.zeros(units), np.zeros(units), np.zeros(units)
    seen = 0
    for output, y in outputs_of(network, data, batch_size):
        wanted = network.backend.to_numpy(y).astype(np.float64)
        errors += np.square(network.backend.to_numpy(output) - wanted).sum(axis=0)
        total, step = seen + len(wanted), wanted.mean(axis=0) - mean
        spread += np.square(wanted - wanted.mean(axis=0)).sum(axis=0) + step * step * (seen * len(wanted) / total)
        mean += step * (len(wanted) / total)
        seen = total
    r2 = None if (spread == 0).any() else float((1 - errors / spread).mean())
    return sqrt(errors.sum() / (seen * units)), r2
