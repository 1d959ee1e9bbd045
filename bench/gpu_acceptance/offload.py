"""What must hold of offloading on a card: plain's bits, bytes as predicted, and copies that hide behind the computing.

The last can only be seen on a card: the same step is timed with copies beside the computing, with each waited for at
once, and with nothing offloaded.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

from backend.cupy.backend import CupyBackend
from backend.cupy.transfers import CupyTransfers
from backend.transfers import Ticket
from bench.gpu_acceptance.checks import ETA, QUICK, STEPS, Shape, Shapes, batch_of
from bench.gpu_acceptance.rows import Row
from checkpoint import (
    Chain,
    NetworkWithCheckpointing,
    Offloading,
    Schedule,
    chain_of,
    offloaded,
    plan_chain,
    simulate,
)
from checkpoint.measuring.bandwidth import measured_rates
from checkpoint.units import format_bytes
from mlp import Network
from mlp.network import DTYPES

TURNS = 7
LOAD = Shape((784, *[4096] * 8, 10), 4096)
"""Wide enough that a layer takes about as long as the copy of its activation; then there is something to hide."""
FASTEST = Offloading(1e15, 1e12)
"""Rates at which a plan offloads as soon as that saves anything."""


def offload(backend: CupyBackend, shapes: Shapes, *, timed: bool, deadline: float) -> Iterator[Row]:
    """Parity and bytes in each dtype, and with `timed` the time under load; no turn is begun after `deadline`."""
    for dtype in DTYPES:
        for name, schedule in schedules(_chain(shapes.deep, dtype)):
            yield _parity_row(backend, shapes.deep, dtype, name, schedule)
            yield _bytes_row(backend, shapes.deep, dtype, name, schedule)
    if timed:
        yield from _under_load(backend, shapes.deep if shapes is QUICK else LOAD, deadline=deadline)
    else:
        yield Row("offload", "under load", None, "left out: the device is a stand-in, in host memory")


def schedules(chain: Chain) -> Iterator[tuple[str, Schedule]]:
    """Everything offloaded, every third activation, and a plan in the bytes of the former."""
    n_layers = chain.n_layers
    everything = offloaded(n_layers=n_layers, checkpoints=range(1, n_layers))
    yield "all", everything
    yield "every 3rd", offloaded(n_layers=n_layers, checkpoints=range(3, n_layers, 3))
    budget = simulate(everything, chain).peak_bytes
    yield "planned", plan_chain(chain, budget_bytes=budget, row_blocks=False, pieces="large", offload=FASTEST).schedule


def _chain(shape: Shape, dtype: str) -> Chain:
    return chain_of(shape.sizes, batch_size=shape.batch_size, dtype=dtype, backend="cupy")


def _network(
    backend: CupyBackend, shape: Shape, dtype: str, schedule: Schedule, transfers: CupyTransfers | None = None
) -> NetworkWithCheckpointing:
    return NetworkWithCheckpointing(
        shape.sizes,
        schedule=schedule,
        offload=transfers or "host",
        dtype=dtype,
        initialization="scaled",
        backend=backend,
    )


def _parity_row(backend: CupyBackend, shape: Shape, dtype: str, name: str, schedule: Schedule) -> Row:
    plain = Network(shape.sizes, dtype=dtype, initialization="scaled", backend=backend)
    net = _network(backend, shape, dtype, schedule)
    X, y = (backend.asarray(x) for x in batch_of(shape, dtype))
    for _ in range(STEPS):
        for each in (net, plain):
            each.update_mini_batch(X, y, eta=ETA)
    pairs = zip((*net.weights, *net.biases), (*plain.weights, *plain.biases), strict=True)
    differ = sum(backend.to_numpy(a).tobytes() != backend.to_numpy(b).tobytes() for a, b in pairs)
    detail = f"{differ} arrays of other bits than plain's" if differ else f"plain's bits after {STEPS} steps"
    return Row("offload", f"parity, {dtype}, {name}", not differ, detail, {"other_bits": differ})


def _bytes_row(backend: CupyBackend, shape: Shape, dtype: str, name: str, schedule: Schedule) -> Row:
    net = _network(backend, shape, dtype, schedule)
    predicted = simulate(schedule, net.chain(shape.batch_size))
    X, y = (backend.asarray(x) for x in batch_of(shape, dtype))
    with backend.measure() as usage, net.observing(lambda *_: usage.mark()):
        net.update_mini_batch(X, y, eta=ETA)
    there = net.transfers
    assert there is not None
    found = (usage.peak_bytes, usage.marks, usage.end_bytes, there.asked_bytes)
    passed = found == (predicted.peak_bytes, list(predicted.bytes_after), 0, predicted.host_peak_bytes)
    detail = (
        f"{predicted.peak_bytes:,} predicted, {usage.peak_bytes:,} measured; on the host {predicted.host_peak_bytes:,} "
        f"predicted, {there.asked_bytes:,} asked for, {there.held_bytes:,} pinned"
    )
    figures = {
        "predicted_peak_bytes": predicted.peak_bytes,
        "measured_peak_bytes": usage.peak_bytes,
        "host_peak_bytes": predicted.host_peak_bytes,
        "asked_bytes": there.asked_bytes,
        "pinned_bytes": there.held_bytes,
    }
    return Row("offload", f"bytes, {dtype}, {name}", passed, detail, figures)


# Time


class EachAtOnce(CupyTransfers):
    """Copies that the host waits for as soon as they are begun: nothing hides them."""

    def out(self, a: Any) -> Ticket:
        ticket = super().out(a)
        self._stream.synchronize()
        return ticket

    def back(self, ticket: Ticket, a: Any) -> None:
        super().back(ticket, a)
        self._stream.synchronize()


def _under_load(backend: CupyBackend, shape: Shape, *, deadline: float) -> Iterator[Row]:
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
        "all offloaded, beside the computing": _network(backend, shape, "float32", everything),
        "all offloaded, each copy waited for": _network(backend, shape, "float32", everything, EachAtOnce(backend)),
    }
    X, y = (backend.asarray(x) for x in batch_of(shape, "float32"))

    def step_of(net: Network) -> Callable[[], None]:
        def step() -> None:
            net.update_mini_batch(X, y, eta=ETA)
            backend.synchronize()

        return step

    seconds = _medians({name: step_of(net) for name, net in nets.items()}, deadline=deadline)
    plain = seconds["nothing offloaded"]
    copied = 2 * simulate(everything, _chain(shape, "float32")).offloaded_bytes
    for name, own in seconds.items():
        told = f"{own * 1e3:.2f} ms, {own / plain:.2f} of plain's"
        if name != "nothing offloaded":
            told += f"; {format_bytes(copied)} cross, {format_bytes(copied / own)}/s"
        yield Row("offload", f"under load, {name}", None, told, {"seconds": own, "of_plain": own / plain})


def _medians(steps: dict[str, Callable[[], None]], *, deadline: float) -> dict[str, float]:
    """The median seconds of each step, in turns that take each once."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for turn in tqdm(range(TURNS), desc="offload", unit="turn", leave=False, disable=None):
        if turn and time.monotonic() > deadline:
            break
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            found[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in found.items()}
