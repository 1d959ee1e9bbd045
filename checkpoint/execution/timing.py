"""The seconds of a real step: what the sum of a calibration's layers is to be compared with."""

from pathlib import Path

import numpy as np

from backend import Backend
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.measuring.timings import least_seconds
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule


def time_step(
    chain: Chain, schedule: Schedule, *, dtype: str, backend: Backend, offload: str | Path | None = None
) -> float:
    """Seconds of a step of `schedule` on random data, the least of several; `offload`: the place, if it offloads."""
    net = NetworkWithCheckpointing(
        chain.widths, schedule=schedule, offload=offload, dtype=dtype, backend=backend, initialization="scaled"
    )
    random = np.random.default_rng(0)
    X = backend.asarray(random.random((chain.batch_size, chain.widths[0])), dtype)
    y = backend.asarray(random.random((chain.batch_size, chain.widths[-1])), dtype)
    return least_seconds(lambda: net.update_mini_batch(X, y, eta=1e-3), backend)
