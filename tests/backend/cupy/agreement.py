"""A kernel of the CuPy backend against the reference, run on NumPy: same arguments, same values, no bytes held.

Under the host-memory stand-in this proves values and bytes; cuBLAS's own rounding and races show only on a GPU.
"""

from collections.abc import Callable
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

from backend.base import Backend
from backend.cupy.backend import CupyBackend
from backend.formulas import activate_

DTYPES = ("float32", "float64")
SHAPES = [(1, 1), (5, 3), (33, 10), (7, 300), (70, 1), (1, 40), (9, 64), (1, 7)]
"""Rows that are packs of 16 bytes, rows that are not, and one row whose last pack is not whole."""

REFERENCE = Backend("reference", array_api_compat.numpy)

KERNEL_BYTES = {
    "matmul": 0,
    "add_bias_activate_": 0,
    "output_delta_": 0,
    "hidden_delta_": 0,
    "drop_": 0,
    "narrow_": 0,
    "widen_": 0,
    "scale_rows_": 0,
    "divide_bytes_": 0,
    "sum_rows": 0,
    "add_product_": 0,
    "apply_gradient_": 0,
    "apply_momentum_": 0,
    "apply_rule_": 0,
    "gradient_norm": 0,
    "all_finite": 0,
    "cost_sum": 2048,
    "count_correct": 2048,
}
"""The most pool bytes that a call of each kernel holds. The last two are for reports and no part of a step."""


class Pair:
    """An array on the host and the same one on the device; slices are taken of both."""

    def __init__(self, backend: CupyBackend, whole: np.ndarray) -> None:
        self.host, self.device = whole.copy(), backend.asarray(whole)
        self.wholes = self.host, self.device

    def cut(self, view: Callable[[Any], Any]) -> "Pair":
        self.host, self.device = view(self.host), view(self.device)
        return self


def tolerance(dtype: str) -> dict[str, float]:
    return {"rtol": 3e-6, "atol": 3e-6} if dtype == "float32" else {"rtol": 1e-14, "atol": 1e-14}


def agree(backend: CupyBackend, kernel: str, *arguments: Any, **keywords: Any) -> None:
    """Run a kernel on both sides; every array must then be alike, all around the slices too, and no bytes held."""
    given = [x for argument in (*arguments, *keywords.values()) for x in _each(argument)]
    pairs = [x for x in given if isinstance(x, Pair)]

    def side(name: str) -> tuple[list[Any], dict[str, Any]]:
        def take(x: Any) -> Any:
            if isinstance(x, list):
                return [take(one) for one in x]
            return getattr(x, name) if isinstance(x, Pair) else x

        return [take(x) for x in arguments], {key: take(x) for key, x in keywords.items()}

    host_arguments, host_keywords = side("host")
    wanted = getattr(REFERENCE, kernel)(*host_arguments, **host_keywords)
    device_arguments, device_keywords = side("device")
    with backend.measure() as usage:
        got = getattr(backend, kernel)(*device_arguments, **device_keywords)
    assert usage.peak_bytes <= KERNEL_BYTES[kernel], f"{usage.peak_bytes} <= {KERNEL_BYTES[kernel]} is not so"
    assert usage.end_bytes == 0
    for pair in pairs:
        host, device = pair.wholes
        np.testing.assert_allclose(backend.to_numpy(device), host, **tolerance(host.dtype.name))
    assert (got is None) == (wanted is None)
    if wanted is not None:
        assert got == pytest.approx(wanted, rel=1e-5 if arguments[0].host.dtype == "float32" else 1e-12)


def _each(argument: Any) -> list[Any]:
    return argument if isinstance(argument, list) else [argument]


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def outputs(activation: str, *shape: int, dtype: str) -> np.ndarray:
    """Values that an activation can have."""
    z = normal(*shape, dtype=dtype)
    activate_(array_api_compat.numpy, z, activation)
    return z
