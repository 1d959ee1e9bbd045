"""Whether a network still tells samples apart: one whose units are dead or saturated answers all of them alike."""

import numpy as np

from mlp import Batches, Network

ROWS = 200
"""Samples that are looked at: enough to hold some of each class, and few next to an evaluation."""

TOLERANCE = 1e-4
"""Outputs that differ by less, as a part of the largest one, count as alike."""


def outputs_alike(network: Network, data: Batches) -> bool:
    """Whether the outputs for the first samples of `data`, if there are several, are alike."""
    rows = min(ROWS, len(data))
    X, _ = data.take(slice(0, rows))
    outputs = network.backend.to_numpy(network.feedforward(X))
    return rows > 1 and bool(np.ptp(outputs, axis=0).max() <= TOLERANCE * np.abs(outputs).max())
