"""Steps on a GPU: bytes as predicted, what the pool takes, and the median time against the matrix products alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.rows import Row, checked, measured
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import give_back, least_bytes
from bench.gpu_acceptance.turns import Seconds, seconds_of
from bench.steps.cases import CLASSIC, Case
from bench.steps.runner import ETA, batch_of
from bench.steps.runners import control
from checkpoint import (
    Chain,
    NetworkWithCheckpointing,
    Schedule,
    Simulation,
    chain_of,
    plan_chain,
    simulate,
    square_root,
    store_all,
)
from checkpoint.schedule.placement import arena_bytes
from checkpoint.units import format_bytes
from mlp import Network

CASES = ("classic", "deep", "long")

ALIVE = 9
"""The activations of a whole network that are alive at once, at most: ours and a peer's, with what allocators keep."""

DEEP_LAYERS = 64
DEEP_SHAPES = ((2048, 4096), (1024, 4096), (512, 2048), (256, 1024))
"""Widths and rows of the deep case; the first that fits is taken."""

LONG_LAYERS, LONG_WIDTH, LONG_LEAST_ROWS = 512, 512, 128

PRODUCTS = "matrix products alone"


def case_in(name: str, free_bytes: int, *, quick: bool) -> Case:
    """A case as large as `free_bytes` can hold `ALIVE` times. Raises `MemoryError` where none fits."""
    if name == "classic":
        return CLASSIC
    why = {"deep": "activations and weights of like size", "long": "activations far larger than weights"}[name]
    if quick:
        sizes, rows = ((20, *[16] * 9, 7), 48) if name == "deep" else ((20, *[8] * 25, 7), 96)
    elif name == "deep":
        fitting = [
            (width, rows)
            for width, rows in DEEP_SHAPES
            if ALIVE * 4 * DEEP_LAYERS * width * (rows + width) <= free_bytes
        ]
        if not fitting:
            raise MemoryError(f"no deep network fits in {free_bytes:,} bytes {ALIVE} times")
        sizes, rows = (784, *[fitting[0][0]] * DEEP_LAYERS, 10), fitting[0][1]
    else:
        most_rows = free_bytes // ALIVE // (4 * LONG_LAYERS * LONG_WIDTH)
        if most_rows < LONG_LEAST_ROWS:
            raise MemoryError(f"no long network fits in {free_bytes:,} bytes {ALIVE} times")
        sizes, rows = (784, *[LONG_WIDTH] * LONG_LAYERS, 10), 2 ** (most_rows.bit_length() - 1)
    return Case(name, why, sizes, rows, every=8, row_block_mib=None)


@dataclass(frozen=True, slots=True)
class Way:
    """One of our ways to take a step of a case, by name; plain backpropagation has a schedule too, to predict by."""

    name: str
    schedule: Schedule

    def network(self, case: Case, backend: CupyBackend) -> Network:
        """The network that takes its steps in this way."""
        more: dict[str, Any] = {"initialization": "scaled", "backend": backend}
        if self.name == "plain":
            return Network(case.sizes, **more)
        return NetworkWithCheckpointing(case.sizes, schedule=self.schedule, **more)


def ways_of(chain: Chain) -> list[Way]:
    """Plain backpropagation, sqrt, and plans in sqrt's bytes and in half of them."""
    root = square_root(n_layers=chain.n_layers)
    room = arena_bytes(root, chain)
    return [
        Way("plain", store_all(n_layers=chain.n_layers)),
        Way("sqrt", root),
        Way("planned in sqrt's bytes, unblocked", plan_chain(chain, budget_bytes=room, row_blocks=False).schedule),
        Way("planned in half of sqrt's bytes", _in_half(chain, room)),
    ]


def steps(name: str, setting: Setting) -> Iterator[Row]:
    """Rows of a case: of bytes for each of our ways, one way alive at a time; then, where timed, of seconds."""
    backend, case = setting.backend, case_in(name, setting.free_bytes, quick=setting.quick)
    group, chain = f"{name}, ours", chain_of(case.sizes, batch_size=case.batch_size, backend="cupy")
    ways = ways_of(chain)
    simulations = {way.name: simulate(way.schedule, chain) for way in ways}
    for way in ways:
        yield _bytes_row(group, backend, case, way, simulations[way.name])
    give_back(backend)
    if not setting.timed:
        return
    nets = {way.name: way.network(case, backend) for way in ways}
    batch = tuple(backend.asarray(x) for x in batch_of(case))
    taken: dict[str, Callable[[], None]] = {PRODUCTS: control(case, backend).step}
    taken |= {name: partial(_step, net, *batch) for name, net in nets.items()}
    for step in taken.values():
        step()
    found = seconds_of(taken, deadline=setting.deadline)
    for name, own in found.items():
        yield seconds_row(group, case, name, own, products=found[PRODUCTS], plain=found["plain"])


def seconds_row(group: str, case: Case, name: str, own: Seconds, *, products: Seconds, plain: Seconds | None) -> Row:
    """The row of a step's time, in milliseconds and as multiples of others of the same turns."""
    figures = {
        "seconds": own.median,
        "spread": own.spread,
        "of_products": own.median / products.median,
        "batch_size": case.batch_size,
        "layers": case.n_layers,
    }
    told = f"{own.median * 1e3:.3f} ms, {figures['of_products']:.2f} times the products'"
    if plain is not None:
        figures["of_plain"] = own.median / plain.median
        told += f", {figures['of_plain']:.2f} times plain's"
    if not own.is_quiet:
        told += f"; turns vary by {own.spread:.0%}"
    return measured(group, f"{name}: time", told, figures)


def _bytes_row(group: str, backend: CupyBackend, case: Case, way: Way, simulation: Simulation) -> Row:
    give_back(backend)
    held = backend.device_memory().pool_bytes
    net = way.network(case, backend)
    X, y = (backend.asarray(x) for x in batch_of(case))
    with backend.measure() as usage:
        _step(net, X, y)
    _step(net, X, y)
    pool = backend.device_memory().pool_bytes - held
    predicted, found = simulation.peak_bytes, usage.peak_bytes
    told = f"{predicted:,} bytes above rest predicted, {found:,} measured; {format_bytes(pool)} from the driver"
    if simulation.recompute_fraction:
        told += f"; {simulation.recompute_fraction:.0%} recomputed"
    figures = {
        "predicted_peak_bytes": predicted,
        "peak_bytes": found,
        "driver_bytes": pool,
        "recompute_fraction": simulation.recompute_fraction,
    }
    return checked(group, f"{way.name}: bytes", predicted == found, told, figures)


def _step(net: Network, X: Any, y: Any) -> None:
    net.update_mini_batch(X, y, eta=ETA)
    net.backend.synchronize()


def _in_half(chain: Chain, room: int) -> Schedule:
    """The fastest plan in half of `room`, or in the least bytes if more, no row blocks under a 16th of the rows."""
    rows = max(chain.batch_size // 16, 1)
    budget = max(room // 2, least_bytes(chain, minimum_block_rows=rows))
    return plan_chain(chain, budget_bytes=budget, minimum_block_rows=rows).schedule
