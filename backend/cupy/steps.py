"""Whole steps on the CuPy backend: watched, recorded as plans of launches, and captured as graphs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backend.base import Backend
from backend.cupy import recording
from backend.cupy.graphs import Graphs
from backend.cupy.kernels.launching import NotRecorded
from backend.cupy.kernels.layout import ITEMS
from backend.cupy.outside import outside_bytes
from backend.cupy.watch import CupyWatch


class CupySteps(Backend):
    """A backend on `device`, a `cupy.cuda.Device`, with what concerns whole steps."""

    records_steps = True

    def __init__(self, xp: Any, device: Any) -> None:
        super().__init__("cupy", xp, device)
        self.graphs = Graphs(device)
        self._told = False

    def watch(self, dtype: str) -> CupyWatch:
        return CupyWatch(self.device, ITEMS[np.dtype(dtype).char])

    def step_key(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        with self.device:
            return recording.key_of(inputs)

    def record(self, take: Callable[..., None], inputs: Sequence[Any]) -> recording.LaunchPlan | None:
        with self.device:
            try:
                return recording.record(take, inputs, self.graphs)
            except NotRecorded:
                return None

    def remarks(self) -> list[str]:
        told, self._told = self._told, self._told or self.graphs.refusal is not None
        return [] if told or self.graphs.refusal is None else [f"steps go by launches: {self.graphs.refusal}"]

    def outside_bytes(self) -> dict[str, int]:
        """The bytes of the device that this project uses beside the pool's, by name."""
        return outside_bytes(self.device.id)
