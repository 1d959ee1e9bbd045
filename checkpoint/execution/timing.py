"""The seconds of a real step, beside the sum of the calibration's layers that predicts them."""

from pathlib import Path
from typing import Any

import numpy as np

from backend import Backend
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.measuring.calibration import Calibration
from checkpoint.measuring.timings import least_seconds
from checkpoint.planning.costs import cost_of
from checkpoint.planning.offloading import Offloading, cost_with_copies
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies import store_all
from mlp.uptake import ONTO_VELOCITY


def step_report(
    chain: Chain,
    schedule: Schedule,
    calibration: Calibration,
    offload: str | Path | None,
    offloading: Offloading | None,
) -> dict[str, Any]:
    """The predicted and the measured seconds of a step: keys of the JSON of `plan`."""
    if offloading is None:
        predicted = cost_of(schedule, chain, calibration)
    else:
        predicted = cost_with_copies(schedule, chain, calibration, offloading)
    return {
        "predicted_seconds": predicted,
        "predicted_ratio": predicted / cost_of(store_all(n_layers=chain.n_layers), chain, calibration),
        "measured_seconds": time_step(
            chain, schedule, dtype=calibration.dtype, backend=calibration.backend, offload=offload
        ),
        "kept_timings_off": None,
        "device": calibration.device,
    }


def time_step(
    chain: Chain, schedule: Schedule, *, dtype: str, backend: Backend, offload: str | Path | None = None
) -> float:
    """Seconds of a step of `schedule` on random data, the least of several; `offload`: the place, if it offloads."""
    as_network: dict[str, Any] = {"dtype": dtype, "backend": backend, "initialization": "scaled"}
    as_network["momentum"] = 0.9 if chain.uptake == ONTO_VELOCITY else 0.0
    net = NetworkWithCheckpointing(chain.widths, schedule=schedule, offload=offload, **as_network)
    random = np.random.default_rng(0)
    X = backend.asarray(random.random((chain.batch_size, chain.widths[0])), dtype)
    y = backend.asarray(random.random((chain.batch_size, chain.widths[-1])), dtype)
    return least_seconds(lambda: net.update_mini_batch(X, y, eta=1e-3), backend)
