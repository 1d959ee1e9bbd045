"""Bytes on a GPU: the pool's, after each action and at the peak of a step, as predicted at tolerance zero."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.rows import Row, checked
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import ETA, Shape, least_bytes
from checkpoint import (
    Chain,
    NetworkWithCheckpointing,
    Schedule,
    binomial,
    every_nth,
    micro_batches,
    plan_chain,
    simulate,
    square_root,
    store_all,
)
from mlp import Network
from mlp.arguments import DTYPES


def bytes_as_predicted(setting: Setting) -> Iterator[Row]:
    """A row for each dtype and strategy."""
    backend, shape = setting.backend, setting.shapes.deep
    for dtype in DTYPES:
        chain = shape.chain(dtype)
        predicted = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
        net = Network(shape.sizes, dtype=dtype, initialization="scaled", backend=backend)
        yield _bytes_row(f"{dtype}, none", predicted, measured_peak(net, shape), marks=True)
        for name, schedule in strategies(chain):
            yield _strategy_row(backend, shape, chain, dtype, name, schedule)


def strategies(chain: Chain) -> Iterator[tuple[str, Schedule]]:
    """A schedule of every kind, by name."""
    n_layers, rows = chain.n_layers, chain.batch_size
    yield "store all, by schedule", store_all(n_layers=n_layers)
    yield "every 3rd", every_nth(n_layers=n_layers, n=3)
    yield "sqrt", square_root(n_layers=n_layers)
    yield "slots: 3", binomial(n_layers=n_layers, slots=3)
    yield "micro-batches", micro_batches(n_layers=n_layers, batch_size=rows, rows=rows // 3)
    whole = simulate(store_all(n_layers=n_layers), chain).peak_bytes
    for row_blocks, pieces in product((False, True), ("large", "small")):
        how: dict[str, Any] = {"row_blocks": row_blocks, "pieces": pieces, "minimum_block_rows": max(rows // 8, 1)}
        least = least_bytes(chain, **how)
        # Near the least bytes only row blocks fit; halfway to store all's, the planner chooses layers.
        found = plan_chain(chain, budget_bytes=least if row_blocks else (least + whole) // 2, **how)
        if row_blocks and found.row_block is None:
            raise AssertionError(f"no row blocks were planned in {least} bytes, the least that {pieces} pieces take")
        yield f"planned, {'row blocks' if row_blocks else 'unblocked'}, {pieces} pieces", found.schedule


def measured_peak(net: Network, shape: Shape) -> int:
    """The peak bytes above rest of one step."""
    X, y = shape.batch_on(net.backend, net.dtype)
    with net.backend.measure() as usage:
        net.update_mini_batch(X, y, eta=ETA)
    return usage.peak_bytes


def _strategy_row(backend: CupyBackend, shape: Shape, chain: Chain, dtype: str, name: str, schedule: Schedule) -> Row:
    net = NetworkWithCheckpointing(
        shape.sizes, schedule=schedule, dtype=dtype, initialization="scaled", backend=backend
    )
    predicted = simulate(schedule, chain)
    X, y = shape.batch_on(backend, dtype)
    with backend.measure() as usage, net.observing(lambda *_: usage.mark()):
        net.update_mini_batch(X, y, eta=ETA)
    marks = usage.marks == list(predicted.bytes_after) and usage.end_bytes == 0
    return _bytes_row(f"{dtype}, {name}", predicted.peak_bytes, usage.peak_bytes, marks=marks)


def _bytes_row(name: str, predicted: int, measured: int, *, marks: bool) -> Row:
    detail = f"{predicted:,} bytes predicted, {measured:,} measured"
    if not marks:
        detail += "; not as predicted after each action"
    figures = {"predicted_peak_bytes": predicted, "measured_peak_bytes": measured, "each_action": marks}
    return checked("bytes", name, predicted == measured and marks, detail, figures)
