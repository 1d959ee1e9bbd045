"""Plain gradient descent: w -= rate * g."""

from collections.abc import Sequence
from typing import Any

from backend import Backend
from mlp.uptake import ONTO_WEIGHTS


class GradientDescent:
    """Keeps nothing from step to step."""

    state_names: tuple[str, ...] = ()
    uptake = ONTO_WEIGHTS

    def apply(self, backend: Backend, w: Any, g: Any, state: Sequence[Any], rate: float) -> None:
        backend.apply_gradient_(w, g, rate)
