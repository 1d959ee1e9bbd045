"""How much of the copies of offloading hides behind the computing, as a fraction that is judged.

The same step is timed with nothing offloaded (p), with each copy waited for at once (w), and with copies beside the
computing (b). The copies take w - p. Of two things that could run at once no more than the shorter hides,
min(p, w - p); what hides is w - b. The network is so wide that its products take about as long as its copies, by rates
measured on the spot: then there is most to hide.
"""

from collections.abc import Callable, Iterator
from typing import Any

from backend.cupy.backend import CupyBackend
from backend.cupy.transfers import CupyTransfers
from backend.transfers import Ticket
from bench.gpu_acceptance.checks.copies import Rates, rates_of
from bench.gpu_acceptance.checks.offload import network
from bench.gpu_acceptance.rows import Row, checked, left_out, measured
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import ETA, Shape
from bench.gpu_acceptance.turns import Seconds, seconds_of
from checkpoint import offloaded, simulate
from checkpoint.units import format_bytes
from mlp import Network

LAYERS = 8

LEAST_HIDDEN = 0.5
"""Of what could hide. The last copy out and the first one back have nothing to run beside: two of fourteen."""

PLAIN, BESIDE, WAITED = (
    "nothing offloaded",
    "all offloaded, beside the computing",
    "all offloaded, each copy waited for",
)


class EachAtOnce(CupyTransfers):
    """Copies that the host waits for as soon as they begin: nothing hides them."""

    def out(self, a: Any) -> Ticket:
        ticket = super().out(a)
        self._copies.synchronize()
        return ticket

    def back(self, ticket: Ticket, a: Any) -> None:
        super().back(ticket, a)
        self._copies.synchronize()


def shape_for(rates: Rates, free_bytes: int) -> Shape:
    """A network whose forward products take as long as its copies to the host, as far as memory allows.

    A layer of n units takes 2 n operations for each of its outputs, which are copied as four bytes: n is twice the
    rate of operations over the rate of copies.

    >>> shape_for(Rates(25e9, 25e9, 40e9, 50e12), 2**36).sizes[1], shape_for(Rates(5e10, 5e10, 8e10, 5e13), 2**36)
    (4096, Shape(sizes=(784, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 10), batch_size=2048))
    """
    width = round(2 * rates.flops / rates.to_host / 256) * 256
    width = max(256, min(8192, width))
    while width > 256 and 3 * 4 * (2 * LAYERS * width**2 + 2 * width**2) > free_bytes:
        width //= 2
    return Shape((784, *[width] * LAYERS, 10), width)


def overlap(setting: Setting) -> Iterator[Row]:
    """A row for each way of copying, and one that judges the fraction that hides."""
    shape = shape_for(rates_of(setting), setting.free_bytes)
    yield from overlap_of(setting.backend, shape, deadline=setting.deadline)


def overlap_of(backend: CupyBackend, shape: Shape, *, deadline: float) -> Iterator[Row]:
    """The same of one network."""
    n_layers = len(shape.sizes) - 1
    everything = offloaded(n_layers=n_layers, checkpoints=range(1, n_layers))
    nets = {
        PLAIN: Network(shape.sizes, initialization="scaled", backend=backend),
        BESIDE: network(backend, shape, "float32", everything),
        WAITED: network(backend, shape, "float32", everything, EachAtOnce(backend)),
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
    seconds = seconds_of(steps, deadline=deadline)
    copied = 2 * simulate(everything, shape.chain("float32")).offloaded_bytes
    plain = seconds[PLAIN].median
    for name, own in seconds.items():
        told = f"{own.median * 1e3:.2f} ms, {own.median / plain:.2f} times plain's"
        if name != PLAIN:
            told += f"; {format_bytes(copied)} cross"
        figures = {
            "seconds": own.median,
            "spread": own.spread,
            "of_plain": own.median / plain,
            "batch": shape.batch_size,
        }
        yield measured("overlap", f"{n_layers} layers of {shape.sizes[1]}, {name}", told, figures)
    yield judged(seconds)


def judged(seconds: dict[str, Seconds]) -> Row:
    """Whether enough of the copies hides; left out where times vary, as they do on a GPU that is busy."""
    name = "the part of the copies that hides"
    loudest = max(seconds.values(), key=lambda each: each.spread)
    if not loudest.is_quiet:
        return left_out("overlap", name, f"the GPU is busy: the same step varies by {loudest.spread:.0%}")
    plain, beside, waited = (seconds[way].median for way in (PLAIN, BESIDE, WAITED))
    could = min(plain, waited - plain)
    if could <= 0.1 * plain:
        return left_out(
            "overlap", name, f"copies take {waited - plain:.2g} s beside {plain:.2g} s of computing: too few"
        )
    hidden = (waited - beside) / could
    told = f"{hidden:.0%} of what could hide, {could * 1e3:.2f} ms, does; at least {LEAST_HIDDEN:.0%} was wanted"
    return checked("overlap", name, hidden >= LEAST_HIDDEN, told, {"hidden": hidden, "could_hide_seconds": could})
