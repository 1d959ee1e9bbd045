"""Outputs for many samples, in row blocks within a bound of bytes."""

from itertools import pairwise
from typing import Any

import numpy as np

from mlp.arrays import check_finite
from mlp.training.metrics import Evaluated
from mlp.training.sources import inputs_of

PREDICTED_BYTES = 2**24
"""The default bound of a row block."""


def predict(network: Evaluated, X: Any, *, most_bytes: int) -> np.ndarray:
    """The network's outputs for `X` (n, n_0): (n, n_L), its dtype, on the host.

    Beside the result, a row block's inputs and activations take at most `most_bytes`, or what one row takes. Raises
    `NetworkError` for an `X` that is no data set of the network's, or holds a value that is not finite.
    """
    source = inputs_of(X, network.sizes[0], network.dtype, network.backend)
    row_bytes = (network.sizes[0] + max(map(sum, pairwise(network.sizes)))) * np.dtype(network.dtype).itemsize
    rows = network.buffers.rows_at_once(network.sizes[1:-1], most=max(1, most_bytes // row_bytes))
    outputs = np.empty((len(source), network.sizes[-1]), network.dtype)
    for start in range(0, len(source), rows):
        block = slice(start, min(start + rows, len(source)))
        inputs = source.take(block)
        check_finite(inputs, network.backend, name="X", first=start)
        outputs[block] = network.backend.to_numpy(network.feedforward(inputs))
    return outputs
