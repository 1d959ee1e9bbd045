"""Offloading on a GPU: plain's bits, and bytes on the device and the host as predicted."""

from collections.abc import Iterator

from backend.cupy.backend import CupyBackend
from backend.cupy.transfers import CupyTransfers
from bench.gpu_acceptance.rows import Row, checked
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import ETA, STEPS, Shape, train
from checkpoint import Chain, NetworkWithCheckpointing, Offloading, Schedule, offloaded, plan_chain, simulate
from checkpoint.schedule.placement import arena_bytes
from mlp import Network
from mlp.arguments import DTYPES

FASTEST = Offloading(1e15, 1e12)
"""Rates at which a plan offloads as soon as that saves anything."""


def offload(setting: Setting) -> Iterator[Row]:
    """A row of bits and a row of bytes for each dtype and schedule."""
    backend, shape = setting.backend, setting.shapes.deep
    for dtype in DTYPES:
        for name, schedule in schedules(shape.chain(dtype)):
            yield _parity_row(backend, shape, dtype, name, schedule)
            yield _bytes_row(backend, shape, dtype, name, schedule)


def schedules(chain: Chain) -> Iterator[tuple[str, Schedule]]:
    """Every activation offloaded, every third one, and a plan in the bytes of the first."""
    n_layers = chain.n_layers
    everything = offloaded(n_layers=n_layers, checkpoints=range(1, n_layers))
    yield "all", everything
    yield "every 3rd", offloaded(n_layers=n_layers, checkpoints=range(3, n_layers, 3))
    budget = arena_bytes(everything, chain)
    planned = plan_chain(chain, budget_bytes=budget, row_blocks=False, pieces="large", offloading=FASTEST)
    yield "planned", planned.schedule


def network(
    backend: CupyBackend, shape: Shape, dtype: str, schedule: Schedule, transfers: CupyTransfers | None = None
) -> NetworkWithCheckpointing:
    """A network that runs `schedule` and offloads to the host, by way of `transfers` if given."""
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
    net = network(backend, shape, dtype, schedule)
    for each in (net, plain):
        train(each, shape)
    pairs = zip((*net.weights, *net.biases), (*plain.weights, *plain.biases), strict=True)
    differ = sum(backend.to_numpy(a).tobytes() != backend.to_numpy(b).tobytes() for a, b in pairs)
    detail = f"the bits of {differ} arrays differ from plain's" if differ else f"plain's bits after {STEPS} steps"
    return checked("offload", f"parity, {dtype}, {name}", not differ, detail, {"other_bits": differ})


def _bytes_row(backend: CupyBackend, shape: Shape, dtype: str, name: str, schedule: Schedule) -> Row:
    net = network(backend, shape, dtype, schedule)
    predicted = simulate(schedule, net.chain(shape.batch_size))
    X, y = shape.batch_on(backend, dtype)
    with backend.measure() as usage, net.observing(lambda *_: usage.mark()):
        net.update_mini_batch(X, y, eta=ETA)
    transfers = net.transfers
    assert transfers is not None
    found = (usage.peak_bytes, usage.marks, usage.end_bytes, transfers.asked_bytes)
    passed = found == (predicted.peak_bytes, list(predicted.bytes_after), 0, predicted.host_peak_bytes)
    detail = (
        f"{predicted.peak_bytes:,} bytes predicted, {usage.peak_bytes:,} measured; on the host "
        f"{predicted.host_peak_bytes:,} predicted, {transfers.asked_bytes:,} requested, {transfers.held_bytes:,} pinned"
    )
    figures = {
        "predicted_peak_bytes": predicted.peak_bytes,
        "measured_peak_bytes": usage.peak_bytes,
        "host_peak_bytes": predicted.host_peak_bytes,
        "asked_bytes": transfers.asked_bytes,
        "pinned_bytes": transfers.held_bytes,
    }
    return checked("offload", f"bytes, {dtype}, {name}", passed, detail, figures)
