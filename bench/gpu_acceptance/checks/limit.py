"""A hard limit on a GPU's memory that plain backpropagation exceeds and a plan trains within."""

import gc
from collections.abc import Iterator
from typing import Any

from backend.cupy.backend import CupyBackend
from backend.errors import OutOfDeviceMemory
from bench.gpu_acceptance.rows import Row, checked
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import ETA, STEPS, Shape, least_bytes
from checkpoint import NetworkWithCheckpointing, plan_chain, simulate, store_all
from checkpoint.units import format_bytes
from mlp import Network


def fits_under_a_budget(setting: Setting) -> Iterator[Row]:
    """Two rows: plain, which must fail, and planned, which must not."""
    backend, shape, dtype = setting.backend, setting.shapes.deep, "float32"
    chain = shape.chain(dtype)
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    budget = max(whole // 3, least_bytes(chain))
    planned = plan_chain(chain, budget_bytes=budget)
    more: dict[str, Any] = {"dtype": dtype, "initialization": "scaled", "backend": backend}
    for wanted in (False, True):
        net: Network
        if wanted:
            net = NetworkWithCheckpointing(shape.sizes, schedule=planned.schedule, **more)
        else:
            net = Network(shape.sizes, **more)
        failure = _failure_within(backend, net, shape, budget)
        del net
        gc.collect()
        ran = failure is None
        detail = f"a step of {format_bytes(planned.arena_bytes if wanted else whole)} in {format_bytes(budget)}: "
        detail += f"took {STEPS} steps" if ran else f"{failure}"
        figures = {"budget_bytes": budget, "ran": ran}
        yield checked("limit", "planned" if wanted else "plain", ran == wanted, detail, figures)


def _failure_within(backend: CupyBackend, net: Network, shape: Shape, budget: int) -> str | None:
    """None if steps ran with at most `budget` bytes above rest; otherwise the text of our own error."""
    X, y = shape.batch_on(backend, net.dtype)
    gc.collect()
    backend.limit_bytes = backend.device_memory().used_bytes + budget
    try:
        for _ in range(STEPS):
            net.update_mini_batch(X, y, eta=ETA)
        backend.synchronize()
    except OutOfDeviceMemory as error:
        if error.limit_bytes is None:  # the GPU's own end, and not the limit's
            raise
        return str(error)
    finally:
        backend.limit_bytes = None
    return None
