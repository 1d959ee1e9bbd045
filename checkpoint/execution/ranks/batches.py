"""One rank's rows of mini-batches: the same order of samples as in one process, of which each rank takes its part."""

from typing import Any, Protocol

import numpy as np

from checkpoint.schedule.actions import Rows as Block
from mlp.data.values.scaling import Scaling
from mlp.training.batches import Batches, Taker, known_finite
from mlp.training.sources import Rows


class Sharer(Taker, Protocol):
    """The network whose ranks share mini-batches."""

    def expect(self, rows: int) -> tuple[Block, ...]: ...


class ShareOfBatches:
    """Mini-batches of `data`, of which `take` returns this rank's rows alone; there may be none."""

    def __init__(self, network: Sharer, data: Batches) -> None:
        self._network, self._data = network, data
        self.finite = known_finite(data)
        if hasattr(data, "scaling"):
            self.scaling: Scaling | None = data.scaling

    def __len__(self) -> int:
        return len(self._data)

    def take(self, rows: Rows) -> tuple[Any, Any]:
        every = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        own = self._network.expect(len(every))
        if not own:
            backend, sizes, dtype = self._network.backend, self._network.sizes, self._network.dtype
            return backend.empty((0, sizes[0]), dtype), backend.empty((0, sizes[-1]), dtype)
        if isinstance(rows, slice) and len(own) == 1:
            first = int(every[0])
            return self._data.take(slice(first + own[0][0], first + own[0][1]))
        return self._data.take(np.concatenate([every[start:stop] for start, stop in own]))
