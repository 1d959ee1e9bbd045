"""What tests of whole steps on a GPU train: one case, the kinds of schedules, and networks of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backend import Backend
from checkpoint import NetworkWithCheckpointing, every_nth, micro_batches
from checkpoint.schedule.schedule import Schedule
from mlp import Network
from tests.conftest import Case

CASE = Case((6, 9, 7, 5, 3), 22, "tanh", "cross-entropy", seed=4)
SCHEDULES: dict[str, Schedule | None] = {
    "plain": None,
    "every second": every_nth(n_layers=4, n=2),
    "row blocks": micro_batches(n_layers=4, batch_size=22, rows=8),
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "adam": {"optimizer": "adam"},
}


def network_of(
    backend: Backend,
    schedule: Schedule | None = None,
    dtype: str = "float32",
    case: Case = CASE,
    *,
    momentum: float = 0.0,
    **more: Any,
) -> Any:
    """A network of `case`: a `Network`, or with a `schedule` one that keeps to it."""
    kind: Callable[..., Network] = Network if schedule is None else NetworkWithCheckpointing
    with_schedule = {} if schedule is None else {"schedule": schedule}
    return replace(case, momentum=momentum).network(backend, dtype, kind, **with_schedule, **more)
