"""Results on a GPU: NumPy's up to rounding, and the same bits with and without checkpoints."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from backend import select_backend
from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.rows import Row, checked
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import Shape, train
from checkpoint import NetworkWithCheckpointing, binomial, every_nth, square_root
from mlp import Network
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES
from mlp.costs import COSTS

PAIRS = (
    *product(ACTIVATIONS[:3], COSTS[:2]),
    *((activation, COSTS[2]) for activation in ACTIVATIONS[3:]),
)
"""Activations and costs that are compared: each of both, and more of the common ones."""

ROUNDING = {"float32": 1e-4, "float64": 2e-13}
"""How far an array may be from NumPy's, as a fraction of its norm: a thousand units in the last place. Sums of some
hundred terms run in another order, and exp and tanh come from another library."""


def parity(setting: Setting) -> Iterator[Row]:
    """A row for each dtype and pair of an activation and a cost."""
    backend, shapes = setting.backend, setting.shapes
    for dtype, (activation, cost) in product(DTYPES, PAIRS):
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
    bits = f"bits differ from plain's: {', '.join(differ)}" if differ else f"plain's bits in {len(ways)} schedules"
    detail = f"gradients {apart['gradients']:.1e}, weights {apart['weights']:.1e} from NumPy's; {bits}"
    figures = {"rounding": ROUNDING[dtype], "distance": apart, "other_bits": differ}
    return checked("parity", f"{prefix}{dtype}, {activation}, {cost}", within and not differ, detail, figures)


def distance(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The largest distance between two arrays, as a fraction of the second's norm; NaN where either has one."""
    apart = [
        np.linalg.norm(a.astype("float64") - b) / max(float(np.linalg.norm(b.astype("float64"))), 1e-300)
        for a, b in zip(some, others, strict=True)
    ]
    return float(np.max(apart))


def _gradients(net: Network, shape: Shape) -> list[np.ndarray]:
    X, y = shape.batch_on(net.backend, net.dtype)
    return [np.array(net.backend.to_numpy(a)) for g in net.backprop(X, y) for a in (g.weight, g.bias)]


def _trained(net: Network, shape: Shape) -> list[np.ndarray]:
    train(net, shape)
    return [np.array(net.backend.to_numpy(a)) for a in (*net.weights, *net.biases)]
