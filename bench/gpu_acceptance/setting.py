"""What a group of checks is given: the backend, its networks, and how long it may take."""

from dataclasses import dataclass

from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.shapes import Shapes, shapes_in


@dataclass(frozen=True, slots=True)
class Setting:
    """`timed`: whether times mean anything on this device. No turn of timings begins after `deadline`, in the seconds
    of `time.monotonic`. `quick`: small networks whatever the memory.
    """

    backend: CupyBackend
    quick: bool
    timed: bool
    deadline: float

    @property
    def free_bytes(self) -> int:
        """What the GPU has left now; networks are as large as fits."""
        return self.backend.device_memory().free_bytes

    @property
    def shapes(self) -> Shapes:
        """The networks whose results and bytes are checked; raises `MemoryError` where the smallest do not fit."""
        return shapes_in(self.free_bytes, quick=self.quick)
