"""Whether a network learns: its answers differ from sample to sample, and cost less than one answer for all does."""

import numpy as np

from mlp import Batches, EpochRecord, Network
from mlp.training.one_answer import is_no_better, one_answer_cost

ROWS = 200
"""Samples that are looked at: enough to hold some of each class, and few next to an evaluation."""

TOLERANCE = 1e-4
"""Outputs that differ by less, as a part of the largest one, count as alike."""


class Learning:
    """What a network makes of its training samples and its test samples, asked from epoch to epoch."""

    def __init__(self, network: Network, training_data: Batches, test_data: Batches) -> None:
        self._network, self._test_data = network, test_data
        self.one_answer_cost = one_answer_cost(network, training_data)

    def said(self, record: EpochRecord) -> str:
        """What is wrong after the epoch of `record`, in words; "" where nothing is."""
        if self.outputs_alike():
            return "all outputs are alike"
        return "no better than one answer for all" if self.is_none(record) else ""

    def is_none(self, record: EpochRecord) -> bool:
        """Whether neither the steps of the epoch nor the test after it cost less than one answer for all.

        The training's cost alone is that of the epoch's whole way, and the test's grows where a network is too sure.
        """
        return all(is_no_better(cost, self.one_answer_cost) for cost in (record.training_cost, record.test_cost))

    def outputs_alike(self) -> bool:
        """Whether the outputs for the first test samples, if there are several, are alike."""
        return outputs_alike(self._network, self._test_data)


def outputs_alike(network: Network, data: Batches) -> bool:
    """Whether the outputs for the first samples of `data`, if there are several, are alike."""
    rows = min(ROWS, len(data))
    X, _ = data.take(slice(0, rows))
    outputs = network.backend.to_numpy(network.feedforward(X))
    return rows > 1 and bool(np.ptp(outputs, axis=0).max() <= TOLERANCE * np.abs(outputs).max())
