"""What must hold on a card: NumPy's results, the same bits whatever is kept, and bytes as predicted."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from backend import Backend, select_backend
from backend.cupy.backend import CupyBackend
from backend.errors import OutOfDeviceMemory
from bench.gpu_acceptance.rows import Row
from checkpoint import (
    BudgetError,
    Chain,
    NetworkWithCheckpointing,
    Schedule,
    binomial,
    chain_of,
    every_nth,
    micro_batches,
    plan_chain,
    simulate,
    square_root,
    store_all,
)
from checkpoint.units import format_bytes
from mlp import Network
from mlp.network import ACTIVATIONS, COSTS, DTYPES

ROUNDING = {"float32": 1e-4, "float64": 2e-13}
"""How far an array may be from NumPy's, as a fraction of its norm: a thousand units in the last place. Sums of some
hundred terms are added in another order, and exp and tanh are another library's."""

ETA = 0.1
STEPS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and a batch."""

    sizes: tuple[int, ...]
    batch_size: int


@dataclass(frozen=True, slots=True)
class Shapes:
    """Those that are checked: `parity`, narrow, so that no ReLU is within rounding of its kink; `wide`, sums as long as
    in use, or None; `deep`, for bytes and budgets.
    """

    parity: Shape
    wide: Shape | None
    deep: Shape


QUICK = Shapes(Shape((40, 24, 17, 10), 32), None, Shape((30, *[24] * 16, 7), 96))
FULL = Shapes(Shape((100, 64, 48, 32, 10), 48), Shape((784, *[512] * 4, 10), 1024), Shape((784, *[512] * 24, 10), 2048))


def batch_of(shape: Shape, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """X with values in 0..1 and one-hot y, on the host."""
    random = np.random.default_rng(0)
    X = random.random((shape.batch_size, shape.sizes[0])).astype(dtype)
    return X, np.eye(shape.sizes[-1], dtype=dtype)[random.integers(shape.sizes[-1], size=shape.batch_size)]


# Parity


def parity(backend: CupyBackend, shapes: Shapes) -> Iterator[Row]:
    """Gradients and trained weights against NumPy's, and their bits with and without checkpoints."""
    for dtype, activation, cost in product(DTYPES, ACTIVATIONS, COSTS):
        yield _parity_row(backend, shapes.parity, dtype, activation, cost, "")
    if shapes.wide is not None:
        for dtype in DTYPES:
            yield _parity_row(backend, shapes.wide, dtype, "tanh", "cross-entropy", "wide, ")


def _parity_row(backend: CupyBackend, shape: Shape, dtype: str, activation: str, cost: str, prefix: str) -> Row:
    more: dict[str, Any] = {"activation": activation, "cost": cost, "dtype": dtype, "initialization": "scaled"}
    host = Network(shape.sizes, backend=select_backend("numpy"), **more)
    plain = Network(shape.sizes, backend=backend, **more)
    apart = {"gradients": distance(_gradients(plain, shape), _gradients(host, shape))}
    wanted = _trained(plain, shape)
    apart["weights"] = distance(wanted, _trained(host, shape))
    n_layers = len(shape.sizes) - 1
    ways = [every_nth(n_layers=n_layers, n=2), square_root(n_layers=n_layers), binomial(n_layers=n_layers, slots=1)]
    differ = []
    for schedule in ways:
        net = NetworkWithCheckpointing(shape.sizes, schedule=schedule, backend=backend, **more)
        same = all(a.tobytes() == b.tobytes() for a, b in zip(_trained(net, shape), wanted, strict=True))
        differ += [] if same else [schedule.name]
    within = all(found <= ROUNDING[dtype] for found in apart.values())
    bits = f"other bits than plain: {', '.join(differ)}" if differ else f"plain's bits in {len(ways)} schedules"
    detail = f"gradients {apart['gradients']:.1e}, weights {apart['weights']:.1e} from NumPy's; {bits}"
    figures = {"rounding": ROUNDING[dtype], "distance": apart, "other_bits": differ}
    return Row("parity", f"{prefix}{dtype}, {activation}, {cost}", within and not differ, detail, figures)


def distance(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The largest distance of two arrays, as a fraction of the second's norm; NaN where either has one."""
    apart = [
        np.linalg.norm(a.astype("float64") - b) / max(float(np.linalg.norm(b.astype("float64"))), 1e-300)
        for a, b in zip(some, others, strict=True)
    ]
    return float(np.max(apart))


def _gradients(net: Network, shape: Shape) -> list[np.ndarray]:
    X, y = (net.backend.asarray(x) for x in batch_of(shape, net.dtype))
    return [np.array(net.backend.to_numpy(a)) for g in net.backprop(X, y) for a in (g.weight, g.bias)]


def _trained(net: Network, shape: Shape) -> list[np.ndarray]:
    X, y = (net.backend.asarray(x) for x in batch_of(shape, net.dtype))
    for _ in range(STEPS):
        net.update_mini_batch(X, y, eta=ETA)
    return [np.array(net.backend.to_numpy(a)) for a in (*net.weights, *net.biases)]


# Bytes


def bytes_as_predicted(backend: CupyBackend, shapes: Shapes) -> Iterator[Row]:
    """The pool's bytes after each action and at the peak of a step, for every strategy, with no tolerance."""
    shape = shapes.deep
    for dtype in DTYPES:
        chain = chain_of(shape.sizes, batch_size=shape.batch_size, dtype=dtype, backend="cupy")
        predicted = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
        net = Network(shape.sizes, dtype=dtype, initialization="scaled", backend=backend)
        yield _bytes_row(f"{dtype}, none", predicted, measured_peak(net, shape), marks=True)
        for name, schedule in strategies(chain):
            yield _strategy_row(backend, shape, chain, dtype, name, schedule)


def strategies(chain: Chain) -> Iterator[tuple[str, Schedule]]:
    """A schedule of every kind, by name."""
    n_layers, rows = chain.n_layers, chain.batch_size
    yield "all kept, by schedule", store_all(n_layers=n_layers)
    yield "every 3rd", every_nth(n_layers=n_layers, n=3)
    yield "sqrt", square_root(n_layers=n_layers)
    yield "slots: 3", binomial(n_layers=n_layers, slots=3)
    yield "micro-batches", micro_batches(n_layers=n_layers, batch_size=rows, rows=rows // 3)
    whole = simulate(store_all(n_layers=n_layers), chain).peak_bytes
    for row_blocks, pieces in product((False, True), ("large", "small")):
        how: dict[str, Any] = {"row_blocks": row_blocks, "pieces": pieces, "minimum_block_rows": max(rows // 8, 1)}
        least = least_bytes(chain, **how)
        # Near the least bytes blocks of rows are all that fits; halfway to plain's, layers are chosen.
        found = plan_chain(chain, budget_bytes=least if row_blocks else (least + whole) // 2, **how)
        if row_blocks and found.row_block is None:
            raise AssertionError(f"no row blocks were planned in {least} bytes, the least that {pieces} pieces take")
        yield f"planned, {'row blocks' if row_blocks else 'unblocked'}, {pieces} pieces", found.schedule


def least_bytes(chain: Chain, **how: Any) -> int:
    """The smallest peak of any plan."""
    try:
        return plan_chain(chain, budget_bytes=0, **how).peak_bytes
    except BudgetError as error:
        return error.minimum_bytes


def _strategy_row(backend: CupyBackend, shape: Shape, chain: Chain, dtype: str, name: str, schedule: Schedule) -> Row:
    net = NetworkWithCheckpointing(
        shape.sizes, schedule=schedule, dtype=dtype, initialization="scaled", backend=backend
    )
    predicted = simulate(schedule, chain)
    X, y = (backend.asarray(x) for x in batch_of(shape, dtype))
    with backend.measure() as usage, net.observing(lambda *_: usage.mark()):
        net.update_mini_batch(X, y, eta=ETA)
    marks = usage.marks == list(predicted.bytes_after) and usage.end_bytes == 0
    return _bytes_row(f"{dtype}, {name}", predicted.peak_bytes, usage.peak_bytes, marks=marks)


def measured_peak(net: Network, shape: Shape) -> int:
    """The peak bytes above rest of one step."""
    X, y = (net.backend.asarray(x) for x in batch_of(shape, net.dtype))
    with net.backend.measure() as usage:
        net.update_mini_batch(X, y, eta=ETA)
    return usage.peak_bytes


def _bytes_row(name: str, predicted: int, measured: int, *, marks: bool) -> Row:
    detail = f"{predicted:,} predicted, {measured:,} measured"
    if not marks:
        detail += "; not as predicted after each action"
    figures = {"predicted_peak_bytes": predicted, "measured_peak_bytes": measured, "each_action": marks}
    return Row("bytes", name, predicted == measured and marks, detail, figures)


# What does not fit


def fits_under_a_budget(backend: CupyBackend, shapes: Shapes) -> Iterator[Row]:
    """A hard limit on the pool that plain backpropagation runs into, and that a plan trains within."""
    shape, dtype = shapes.deep, "float32"
    chain = chain_of(shape.sizes, batch_size=shape.batch_size, dtype=dtype, backend="cupy")
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
        outcome = _within(backend, net, shape, budget)
        del net
        gc.collect()
        ran = outcome is None
        detail = f"a step of {format_bytes(planned.peak_bytes if wanted else whole)} in {format_bytes(budget)}: "
        detail += f"{STEPS} steps done" if ran else f"{outcome}"
        yield Row(
            "limit", "planned" if wanted else "plain", ran == wanted, detail, {"budget_bytes": budget, "ran": ran}
        )


def _within(backend: CupyBackend, net: Network, shape: Shape, budget: int) -> str | None:
    """None if steps could be taken with no more than `budget` above rest; otherwise what our own error said."""
    X, y = (backend.asarray(x) for x in batch_of(shape, net.dtype))
    gc.collect()
    backend.limit_bytes = backend.device_memory().used_bytes + budget
    try:
        for _ in range(STEPS):
            net.update_mini_batch(X, y, eta=ETA)
        backend.synchronize()
    except OutOfDeviceMemory as error:
        return str(error)
    finally:
        backend.limit_bytes = None
    return None


def give_back(backend: Backend) -> None:
    """Let go of what a group left behind, so that the next has all of the card."""
    gc.collect()
    backend.synchronize()
    if isinstance(backend, CupyBackend):
        backend.give_back()
