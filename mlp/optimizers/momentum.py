"""Gradient descent with momentum: v := momentum * v - rate * g, then w += v (Polyak 1964; Sutskever et al. 2013)."""

from collections.abc import Sequence
from typing import Any

from backend import Backend
from mlp.uptake import ONTO_VELOCITY


class Momentum:
    """Keeps a velocity for each parameter. `momentum` is at least 0 and below 1."""

    state_names: tuple[str, ...] = ("velocity",)
    uptake = ONTO_VELOCITY

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    def apply(self, backend: Backend, w: Any, g: Any, state: Sequence[Any], rate: float) -> None:
        (v,) = state
        backend.apply_momentum_(w, v, g, rate, self.momentum)
