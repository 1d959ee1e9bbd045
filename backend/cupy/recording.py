"""Launch plans: a step's launches, worked out once and then begun one after another.

A step is recorded by taking it with nothing launched, on inputs at addresses that nothing has; so every argument that
follows from one is known, and is put in place when an input lies elsewhere. All else that differs from step to step,
its rate above all, is read by kernels on the device (`backend.cupy.watch`), so a plan does not know it. A launch is
then one call, with its arguments packed as CUDA wants them.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.cupy.graphs import MOST_GRAPHS, Graphs
from backend.cupy.kernels.cublas import CublasHandle, check
from backend.cupy.kernels.launching import here
from backend.cupy.kernels.source import PACK_BYTES
from backend.cupy.product import Product

NOWHERE = 2**60
"""Where recorded inputs are said to lie: no device has addresses so high."""

APART = 2**50
"""From one to the next: more bytes than a device has."""


@dataclass(frozen=True, slots=True)
class KernelLaunch:
    """A kernel with its grid, its block, and its arguments: arrays' addresses and whole numbers, or floats."""

    kernel: Any
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[int | float, ...]


class StepRecorder:
    """What takes launches while a step is recorded."""

    def __init__(self) -> None:
        self.launches: list[KernelLaunch | Product] = []

    def kernel(self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        values = tuple(a if isinstance(a, int | float) else a.data.ptr for a in arguments)
        self.launches.append(KernelLaunch(kernel, grid, block, values))

    def product(self, handle: CublasHandle, item: str, arguments: tuple[Any, ...]) -> None:
        self.launches.append(Product(handle, item, arguments))


def key_of(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """What a plan's launches follow from beside addresses: the stream, and how the inputs lie."""
    import cupy

    return cupy.cuda.get_current_stream().ptr, *((x.shape, x.strides, x.data.ptr % PACK_BYTES) for x in inputs)


def record(take: Callable[..., None], inputs: Sequence[Any], graphs: Graphs) -> "LaunchPlan":
    """The plan of the step that `take` takes on arrays such as `inputs`, on the device of `graphs`, which is current.

    Raises `NotRecorded` where it does what cannot be planned: it allocates, copies, or has the host wait.
    """
    import cupy

    recorder = StepRecorder()
    there = []
    for number, x in enumerate(inputs):
        address = NOWHERE + number * APART + x.data.ptr % PACK_BYTES
        memory = cupy.cuda.UnownedMemory(address, APART // 2, None, graphs.device.id)
        pointer = cupy.cuda.MemoryPointer(memory, 0)
        there.append(cupy.ndarray(x.shape, x.dtype, memptr=pointer, strides=x.strides))
    before, here.recorder = here.recorder, recorder
    try:
        take(*there)
    finally:
        here.recorder = before
    return LaunchPlan(recorder.launches, [x.data.ptr for x in there], cupy.cuda.get_current_stream().ptr, graphs)


class LaunchPlan:
    """Launches that were recorded, on inputs at `addresses`, to be run on a stream; see `record`."""

    def __init__(
        self, launches: Sequence[KernelLaunch | Product], addresses: Sequence[int], stream: int, graphs: Graphs
    ) -> None:
        from cupy.cuda import driver

        self.launches, self._stream, self._graphs = launches, stream, graphs
        self._launch_kernel = driver.launchKernel
        kernels = [launch for launch in launches if isinstance(launch, KernelLaunch)]
        values = [value for launch in kernels for value in launch.arguments]
        bits = [struct.pack("=d" if isinstance(value, float) else "=q", value) for value in values]
        self._packed = np.frombuffer(bytearray(b"".join(bits)), np.int64)
        self._pointers = self._packed.ctypes.data + 8 * np.arange(len(values), dtype=np.int64)
        whole = [(k, value) for k, value in enumerate(values) if isinstance(value, int) and value >= NOWHERE]
        self._places = np.array([k for k, _ in whole], np.int64)
        self._which = np.array([(value - NOWHERE) // APART for _, value in whole], np.int64)
        self._offsets = np.array([value - addresses[(value - NOWHERE) // APART] for _, value in whole], np.int64)
        self._products = [launch for launch in launches if isinstance(launch, Product)]
        for product in self._products:
            product.follow(addresses, first=NOWHERE, apart=APART)
        self._handles = list({id(product.handle): product.handle for product in self._products}.values())
        self._calls = self._calls_on(stream)
        self._at: tuple[int, ...] = ()
        self._captured: dict[tuple[int, ...], Any] = {}

    def __len__(self) -> int:
        return len(self.launches)

    def run(self, inputs: Sequence[Any]) -> None:
        """Begin the step on these inputs, on the plan's stream, which is current."""
        with self._graphs.device:
            self._run(tuple([x.data.ptr for x in inputs]))

    def _run(self, addresses: tuple[int, ...]) -> None:
        graph = self._captured.get(addresses)
        if graph is None and addresses in self._captured and self._graphs.are_used:
            graph = self._captured[addresses] = self._capture(addresses)
        if graph is not None:
            graph.launch()
            return
        self._remember(addresses)
        self._place(addresses)
        self._begin(self._calls, self._stream)

    def _begin(self, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], stream: int) -> None:
        for handle in self._handles:
            handle.use(stream)
        for call, arguments in calls:
            status = call(*arguments)
            if status:
                check(status)

    def _place(self, addresses: tuple[int, ...]) -> None:
        """Put the arguments that follow from inputs in place."""
        if addresses == self._at:
            return
        self._packed[self._places] = np.array(addresses, np.int64)[self._which] + self._offsets
        for product in self._products:
            product.place(addresses)
        self._at = addresses

    def _calls_on(self, stream: int) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
        calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        first = self._pointers.ctypes.data
        for launch in self.launches:
            if isinstance(launch, Product):
                calls.append((launch.function, launch.arguments))
                continue
            grid, block = ((*size, 1, 1)[:3] for size in (launch.grid, launch.block))
            calls.append((self._launch_kernel, (launch.kernel.kernel.ptr, *grid, *block, 0, stream, first, 0)))
            first += 8 * len(launch.arguments)
        return calls

    # As a graph, for inputs that come back at the addresses of a step before

    def _remember(self, addresses: tuple[int, ...]) -> None:
        """Note that a step had inputs there, so that it is captured when they come again."""
        if self._graphs.are_used:
            self._captured[addresses] = None
            if len(self._captured) > MOST_GRAPHS:
                del self._captured[next(iter(self._captured))]

    def _capture(self, addresses: tuple[int, ...]) -> Any:
        def begin(stream: int) -> None:
            self._place(addresses)
            self._begin(self._calls_on(stream), stream)

        return self._graphs.capture(begin)
