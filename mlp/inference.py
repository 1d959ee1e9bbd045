"""What a network answers: its outputs for inputs, and how good they are."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.arguments import check_whole
from mlp.layers import Layers
from mlp.prediction import PREDICTED_BYTES, predict
from mlp.training.batches import Batches
from mlp.training.metrics import EVALUATED_ROWS, accuracy, mean_cost
from mlp.training.pairs import batches_of


class Inference(Layers):
    """Layers that are run forward alone, without a step: outputs, and what is measured of them."""

    def feedforward(self, X: Any) -> Any:
        """The network's output for `X` (batch, n_0): (batch, n_L), a new array of the same dtype on the same device.

        Two layers are live, the hidden ones in the memory of steps where that is large enough.
        """
        a = self.as_inputs(X)
        for layer, out in enumerate(self.buffers.in_turns(a.shape[0], self.sizes[1:-1]), 1):
            a = self.forward_layer(layer, a, out=out)
            del out
        output = self.backend.empty((a.shape[0], self.sizes[-1]), self.dtype)
        return self.forward_layer(self.n_layers, a, out=output)

    def evaluate(self, X: Any, y: Any = None, *, batch_size: int = EVALUATED_ROWS) -> float:
        """The accuracy on `X` and `y`, a float in 0..1; `batch_size` rows at a time. Both are as for `SGD`.

        `y` is left out where `X` is the classic list of pairs. Raises `NetworkError` for targets that name no classes:
        see `mean_cost` for those.
        """
        return accuracy(self, self._batches(X, y), batch_size=batch_size)

    def mean_cost(self, X: Any, y: Any = None, *, batch_size: int = EVALUATED_ROWS) -> float:
        """The cost on `X` and `y`, as for `evaluate`, with any targets: the mean over the samples."""
        return mean_cost(self, self._batches(X, y), batch_size=batch_size)

    def predict(self, X: Any, *, most_bytes: int = PREDICTED_BYTES) -> np.ndarray:
        """The outputs for `X` (n, n_0), as for `SGD`: (n, n_L), the network's dtype, on the host.

        `feedforward` in row blocks: beside the result, a block's inputs and activations take at most `most_bytes`, or
        what one row takes.
        """
        return predict(self, X, most_bytes=check_whole("most_bytes", most_bytes, least=1))

    def share_of(self, data: Batches) -> Batches:
        """What this network takes of the mini-batches that it trains on: all, unless others train it too."""
        return data

    def evaluated_rows(self, rows: int) -> tuple[int, int]:
        """The first of the `rows` rows of a data set that this network evaluates, and the one after its last: all."""
        return 0, rows

    def mean_step_cost(self) -> float | None:
        """The mean cost of the samples of the steps since `cost_total` was cleared; None where there were none.

        Reading it waits for the device.
        """
        total = self.cost_total
        return total.value / total.weight if total.weight else None

    def all_sums(self, sums: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """The sums of all who evaluate a data set together, in its order: `sums`, unless others do."""
        return sums

    def _batches(self, X: Any, y: Any) -> Batches:
        pairs = y is None and isinstance(X, list | tuple | Iterator)
        return batches_of(self, X if pairs else (X, y))
