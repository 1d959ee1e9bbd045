"""The time of offloading on a GPU: how much of the copies hides behind the computing.

The same step is timed with copies beside the computing, with each copy waited for at once, and with nothing offloaded.
"""

from collections.abc import Callable, Iterator
from typing import Any

from backend.cupy.backend import CupyBackend
from backend.cupy.transfers import CupyTransfers
from backend.transfers import Ticket
from bench.gpu_acceptance.offload import network
from bench.gpu_acceptance.rows import Row
from bench.gpu_acceptance.shapes import ETA, Shape
from bench.gpu_acceptance.turns import median_seconds
from checkpoint import offloaded, simulate
from checkpoint.measuring.bandwidth import measured_rates
from checkpoint.units import format_bytes
from mlp import Network

LOAD = Shape((784, *[4096] * 8, 10), 4096)
"""So wide that a layer takes about as long as the copy of its activation: then there is something to hide."""


class EachAtOnce(CupyTransfers):
    """Copies that the host waits for as soon as they begin: nothing hides them."""

    def out(self, a: Any) -> Ticket:
        ticket = super().out(a)
        self._copies.synchronize()
        return ticket

    def back(self, ticket: Ticket, a: Any) -> None:
        super().back(ticket, a)
        self._copies.synchronize()


def offload_timing(backend: CupyBackend, shape: Shape, *, deadline: float) -> Iterator[Row]:
    """The rates, then a row for each way of copying. No turn begins after `deadline`, in `time.monotonic`'s seconds."""
    rates = measured_rates(backend, "host", dtype="float32")
    yield Row(
        "offload",
        "rates",
        None,
        f"{format_bytes(rates.bytes_per_second)}/s each way, {rates.flops_per_second or 0:.3g} operations a second",
        {"bytes_per_second": rates.bytes_per_second, "flops_per_second": rates.flops_per_second},
    )
    n_layers = len(shape.sizes) - 1
    everything = offloaded(n_layers=n_layers, checkpoints=range(1, n_layers))
    nets = {
        "nothing offloaded": Network(shape.sizes, initialization="scaled", backend=backend),
        "all offloaded, beside the computing": network(backend, shape, "float32", everything),
        "all offloaded, each copy waited for": network(backend, shape, "float32", everything, EachAtOnce(backend)),
    }
    X, y = shape.batch_on(backend, "float32")

    def step_of(net: Network) -> Callable[[], None]:
        def step() -> None:
            net.update_mini_batch(X, y, eta=ETA)
            backend.synchronize()

        return step

    steps = {name: step_of(net) for name, net in nets.items()}
    for step in steps.values():
        step()
    seconds = median_seconds(steps, title="offload", deadline=deadline)
    plain = seconds["nothing offloaded"]
    copied = 2 * simulate(everything, shape.chain("float32")).offloaded_bytes
    for name, own in seconds.items():
        told = f"{own * 1e3:.2f} ms, {own / plain:.2f} times plain's"
        if name != "nothing offloaded":
            told += f"; {format_bytes(copied)} cross, {format_bytes(copied / own)}/s"
        yield Row("offload", f"under load, {name}", None, told, {"seconds": own, "of_plain": own / plain})
