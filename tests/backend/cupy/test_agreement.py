"""The judge of the CuPy backend's kernels sees a wrong one, and no kernel escapes it."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from backend.base import Backend
from backend.cupy.backend import CupyBackend
from tests.backend.cupy.agreement import (
    KERNEL_BYTES,
    Pair,
    agree,
    normal,
)

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]


def apply_wrong(w: Any, g: Any, rate: float) -> None:
    w -= 2 * rate * g


def apply_outside(w: Any, g: Any, rate: float) -> None:
    w.base[:] += 1


def write_the_second(w: Any, g: Any, rate: float) -> None:
    w -= rate * g
    g += 1


@pytest.mark.parametrize("wrong", [apply_wrong, apply_outside, write_the_second])
def test_a_wrong_kernel_is_seen(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any, Any, float], None]
) -> None:
    monkeypatch.setattr(cupy_backend, "apply_gradient_", wrong)
    w = Pair(cupy_backend, normal(6, 4)).cut(lambda x: x[1:3, :])
    with pytest.raises(AssertionError):
        agree(cupy_backend, "apply_gradient_", w, Pair(cupy_backend, normal(2, 4, seed=1)), 0.5)


def test_a_kernel_that_holds_bytes_is_seen(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(w: Any, g: Any, rate: float) -> None:
        copy = cupy_backend.empty(g.shape, "float32")
        copy[...] = g
        w -= rate * copy

    monkeypatch.setattr(cupy_backend, "apply_gradient_", apply)
    pairs = Pair(cupy_backend, normal(2, 4)), Pair(cupy_backend, normal(2, 4, seed=1))
    with pytest.raises(AssertionError, match=r"\d+ <= 0"):
        agree(cupy_backend, "apply_gradient_", *pairs, 0.5)


def test_every_kernel_is_overridden_with_the_reference_signature() -> None:
    for name in KERNEL_BYTES:
        assert name in vars(CupyBackend), name
        reference = inspect.signature(getattr(Backend, name)).parameters.values()
        override = inspect.signature(getattr(CupyBackend, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in override] == [(p.name, p.kind, p.default) for p in reference], name


def test_every_kernel_of_the_reference_is_listed() -> None:
    names = {name for name, _ in inspect.getmembers(Backend, inspect.isfunction) if not name.startswith("_")}
    others = {
        "asarray",
        "to_numpy",
        "empty",
        "empties",
        "zeros",
        "dtype",
        "dtype_name",
        "owns",
        "is_row_major",
        "set_",
        "current",
    }
    others |= {"synchronize", "measure", "device_memory", "protect", "release", "times_derivative", "take_rows"}
    others |= {"uploads", "prepare", "arena", "place", "cost_total", "as_halves", "in_tf32"}
    others |= {"copies", "watch", "record", "step_key", "remarks", "set_", "current"}
    others |= {"forward_layer_", "backward_layer_", "backward_onto_weights_"}  # made of the kernels, on a device too
    assert names - others == set(KERNEL_BYTES)
