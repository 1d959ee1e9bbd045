"""CUDA graphs of steps: the launches of a plan, captured once and then begun by one call.

A graph holds the addresses of its inputs, so there is one for each place where they come to lie: a few, as mini-batches
take turns in the memory of those before. What CUDA takes for a graph is counted by name. The first capture that CUDA
refuses is the last: `refusal` says why, and steps go on by launches, with the same bits.
"""

import os
import weakref
from collections.abc import Callable
from typing import Any

from backend.cupy.outside import count_outside

VARIABLE = "MLP_CHECKPOINTING_GRAPHS"
"""The environment variable that has steps take no graphs where it is "off"."""

GRAPHS = "CUDA graphs"
"""What their memory is counted as."""

MOST_GRAPHS = 4
"""The most places of inputs that a plan keeps graphs for."""


class StepGraph:
    """A graph of CuPy's, for which CUDA took `size` bytes of device `number`: counted while there is one."""

    def __init__(self, graph: Any, number: int, size: int) -> None:
        self.launch: Callable[[], None] = graph.launch
        """Begins what was captured, on the current stream."""
        count_outside(number, GRAPHS, size)
        weakref.finalize(self, count_outside, number, GRAPHS, -size)


class Graphs:
    """The graphs of one device, a `cupy.cuda.Device`."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.refusal: str | None = f"{VARIABLE} is off" if os.environ.get(VARIABLE) == "off" else None
        """Why no step is captured; None where nothing stands against it."""

    @property
    def are_used(self) -> bool:
        """Whether steps are to be captured."""
        return self.refusal is None

    def capture(self, begin: Callable[[int], None]) -> "StepGraph | None":
        """The graph of what `begin` launches on the stream that it is given, by CUDA's pointer to it.

        None where CUDA refuses; nothing was launched then either.
        """
        from cupy.cuda import driver, runtime
        from cupy_backends.cuda.libs import cublas

        free_before = runtime.memGetInfo()[0]
        try:
            graph = self._captured(begin)
        except (runtime.CUDARuntimeError, driver.CUDADriverError, cublas.CUBLASError) as error:
            self.refusal = f"CUDA captures no graph ({error})"
            return None
        return StepGraph(graph, self.device.id, max(0, free_before - runtime.memGetInfo()[0]))

    def _captured(self, begin: Callable[[int], None]) -> Any:
        import cupy

        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            try:
                begin(stream.ptr)
            except BaseException:
                self._abandon(stream)
                raise
            return stream.end_capture()

    @staticmethod
    def _abandon(stream: Any) -> None:
        """End a capture that failed; what CUDA says of it is known already."""
        from cupy.cuda.runtime import CUDARuntimeError

        try:
            stream.end_capture()
        except CUDARuntimeError:
            return
