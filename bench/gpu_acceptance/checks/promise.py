"""Device memory against the promise: a plan trains where the driver gives rest, its arena and 16 MiB, and no more.

Rest is what arrays take between steps: parameters, the sum of costs and the mini-batch, each rounded up. The context,
cuBLAS and what it works in are the process's before any network, and are not among them. The least that a plan needs is
found by halving: the pool takes so much from the driver and no more, as on a GPU that has no more left.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from backend.cupy.backend import CupyBackend
from backend.cupy.pool import pool_of
from backend.errors import OutOfDeviceMemory
from bench.gpu_acceptance.rows import Row, checked
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import ETA, STEPS, Shape, give_back, least_bytes
from checkpoint import NetworkWithCheckpointing, Plan, plan_chain, simulate, store_all
from checkpoint.planning.process import batches_bytes
from checkpoint.units import format_bytes

ALLOWED_BYTES = 16 * 2**20
"""What a plan may need beyond its promise."""

TRIALS = 8
"""Halvings of the range in which the least that a plan needs is sought."""


def promise(setting: Setting) -> Iterator[Row]:
    """A row for each of four plans: large and small pieces, for whole mini-batches and in row blocks."""
    shape = setting.shapes.deep
    for row_blocks, pieces in product((False, True), ("large", "small")):
        name = f"{'row blocks' if row_blocks else 'whole mini-batches'}, {pieces} pieces"
        yield promise_row(setting.backend, shape, name, plan_of(shape, row_blocks=row_blocks, pieces=pieces))


def plan_of(shape: Shape, *, row_blocks: bool, pieces: str) -> Plan:
    """A plan near the least bytes, where much is recomputed and arrays come and go."""
    chain = shape.chain("float32")
    how: dict[str, Any] = {
        "row_blocks": row_blocks,
        "pieces": pieces,
        "minimum_block_rows": max(shape.batch_size // 8, 1),
    }
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    least = least_bytes(chain, **how)
    return plan_chain(chain, budget_bytes=least + (whole - least) // 8, **how)


def promise_row(backend: CupyBackend, shape: Shape, name: str, planned: Plan) -> Row:
    """The row of one plan: whether it trains in what was promised, and the least that it needs."""
    chain = shape.chain("float32")
    rest = sum(map(chain.gradient_bytes, range(1, chain.n_layers + 1)))
    rest += backend.facts.array_bytes(backend.cost_total().nbytes)
    rest += batches_bytes(chain, ahead=False)
    promised = rest + backend.facts.array_bytes(planned.arena_bytes)
    most = promised + ALLOWED_BYTES
    free_pool = _pool_after(backend, shape, planned, None)
    holds = _pool_after(backend, shape, planned, most) is not None
    enough = most if free_pool is None else min(most, free_pool)
    needed = _least(backend, shape, planned, promised // 2, enough) if holds else None
    figures = {
        "rest_bytes": rest,
        "arena_bytes": planned.arena_bytes,
        "peak_bytes": planned.peak_bytes,
        "promised_bytes": promised,
        "needed_bytes": needed,
        "unlimited_pool_bytes": free_pool,
    }
    told = f"promised {promised:,} bytes: rest {rest:,}, arena {planned.arena_bytes:,}; "
    told += f"needs {needed:,}, {needed / promised:.4f} of them" if needed else f"more than {format_bytes(most)} needed"
    if free_pool:
        told += f"; unlimited, the pool takes {free_pool:,}, {free_pool / promised:.4f}"
    return checked("promise", name, holds, told, figures)


def _least(backend: CupyBackend, shape: Shape, planned: Plan, low: int, high: int) -> int:
    """The least bytes, to a few thousandths, that the pool must be given: more than `low`, at most `high`."""
    for _ in range(TRIALS):
        middle = (low + high) // 2
        if _pool_after(backend, shape, planned, middle) is None:
            low = middle
        else:
            high = middle
    return high


def _pool_after(backend: CupyBackend, shape: Shape, planned: Plan, most: int | None) -> int | None:
    """What the pool has taken after some steps with `most` bytes to take; None where that is not enough."""
    give_back(backend)
    held = backend.device_memory().pool_bytes
    limit = backend.device_memory().free_bytes if most is None else most
    with pool_of(backend.device.id).taking_at_most(held + limit):
        try:
            return _train(backend, shape, planned) - held
        except OutOfDeviceMemory:
            return None


def _train(backend: CupyBackend, shape: Shape, planned: Plan) -> int:
    net = NetworkWithCheckpointing(shape.sizes, schedule=planned.schedule, initialization="scaled", backend=backend)
    X, y = shape.batch_on(backend, "float32")
    for _ in range(STEPS):
        net.update_mini_batch(X, y, eta=ETA)
    backend.synchronize()
    return backend.device_memory().pool_bytes
