"""The first step on a whole mini-batch, measured; the steps after it are not slowed by that."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from backend import Usage
from checkpoint.execution.network import NetworkWithCheckpointing
from mlp import Network


class MeasuredFirstStep:
    """Takes the steps of `network`, and measures the first one on `batch_size` rows: `usage` is what that took."""

    def __init__(self, network: Network, batch_size: int) -> None:
        self._network, self._batch_size = network, batch_size
        self.usage = Usage()
        self._taken = False

    def __call__(self, X: Any, y: Any, eta: float) -> None:
        """One step of gradient descent, as `Network.update_mini_batch` takes it."""
        if self._taken or X.shape[0] != self._batch_size:
            self._network.update_mini_batch(X, y, eta=eta)
            return
        with self._network.backend.measure() as self.usage, self._marking():
            self._network.update_mini_batch(X, y, eta=eta)
        self._taken = True

    def _marking(self) -> AbstractContextManager[None]:
        """A block in which the usage is marked after each action; plain backpropagation has none."""
        if isinstance(self._network, NetworkWithCheckpointing):
            return self._network.observing(lambda *_: self.usage.mark())
        return nullcontext()
