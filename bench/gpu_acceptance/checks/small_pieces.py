"""Whether small pieces leave gradients' bits alone on this GPU. Measured, not judged: cuBLAS promises nothing of it.

A product of fewer rows may be summed in another order, so the weights may differ by rounding.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.checks.parity import distance
from bench.gpu_acceptance.rows import Row, measured
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import STEPS, Shape, train
from checkpoint import NetworkWithCheckpointing, Schedule, every_nth, store_all
from mlp import Network
from mlp.arguments import DTYPES


def small_pieces(setting: Setting) -> Iterator[Row]:
    """A row for each dtype and schedule: how many arrays get other bits than by large pieces, and how far away."""
    shapes = setting.shapes
    for dtype in DTYPES:
        shape = shapes.wide or shapes.deep
        n_layers = len(shape.sizes) - 1
        for schedule in (store_all(n_layers=n_layers), every_nth(n_layers=n_layers, n=2)):
            yield _row(setting.backend, shape, dtype, schedule)


def _row(backend: CupyBackend, shape: Shape, dtype: str, schedule: Schedule) -> Row:
    large, small = (_trained(backend, shape, dtype, replace(schedule, pieces=pieces)) for pieces in ("large", "small"))
    differ = sum(a.tobytes() != b.tobytes() for a, b in zip(small, large, strict=True))
    apart = distance(small, large)
    told = f"{differ} of {len(large)} arrays have other bits after {STEPS} steps, at most {apart:.1e} away"
    figures = {"other_bits": differ, "arrays": len(large), "distance": apart}
    return measured("small pieces", f"{dtype}, {schedule.name}", told, figures)


def _trained(backend: CupyBackend, shape: Shape, dtype: str, schedule: Schedule) -> list[np.ndarray]:
    net: Network = NetworkWithCheckpointing(
        shape.sizes, schedule=schedule, dtype=dtype, initialization="scaled", backend=backend
    )
    train(net, shape)
    return [np.array(backend.to_numpy(a)) for a in (*net.weights, *net.biases)]
