"""One measured step on random data, for whoever asks what a step takes and not what it learns."""

from typing import Any

import numpy as np

from backend import Backend, Usage
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from mlp import Network
from mlp.precision import FULL


def measured_step(
    chain: Chain, schedule: Schedule | None, *, dtype: str, backend: Backend, precision: str = FULL
) -> Usage:
    """What one `update_mini_batch` on `chain` takes above rest: its peak, and a mark after each action.

    Without a `schedule` it is plain backpropagation's, which has no actions and no marks.
    """
    net: Network
    if schedule is None:
        net = Network(chain.widths, dtype=dtype, backend=backend, precision=precision)
    else:
        of: dict[str, Any] = {"dtype": dtype, "backend": backend, "precision": precision}
        net = NetworkWithCheckpointing(chain.widths, schedule=schedule, **of)
    random = np.random.default_rng(0)
    X = backend.asarray(random.random((chain.batch_size, chain.widths[0])), dtype)
    y = backend.asarray(random.random((chain.batch_size, chain.widths[-1])), dtype)
    with backend.measure() as usage:
        if isinstance(net, NetworkWithCheckpointing):
            with net.observing(lambda *_: usage.mark()):
                net.update_mini_batch(X, y, eta=0.1)
        else:
            net.update_mini_batch(X, y, eta=0.1)
    return usage
