"""Steps on a GPU against the matrix products alone and against PyTorch: median seconds, and bytes as predicted."""

import gc
from collections.abc import Iterator
from typing import Any

from backend.cupy.backend import CupyBackend
from backend.errors import OutOfDeviceMemory
from bench.gpu_acceptance.rows import Row
from bench.gpu_acceptance.shapes import give_back, least_bytes
from bench.gpu_acceptance.torch_on_gpu import torch_out_of_memory, torch_runners
from bench.gpu_acceptance.turns import median_seconds
from bench.steps.cases import Case
from bench.steps.runner import ETA, Runner, batch_of
from bench.steps.runners import control
from checkpoint import (
    Chain,
    NetworkWithCheckpointing,
    Schedule,
    chain_of,
    plan_chain,
    simulate,
    square_root,
    store_all,
)
from checkpoint.schedule.placement import arena_bytes
from checkpoint.units import format_bytes
from mlp import Network

LARGE_GPU_BYTES = 32 * 2**30
LONG_LAYERS, LONG_WIDTH = 512, 512


def cases(total_bytes: int, *, quick: bool) -> list[Case]:
    """A deep and a long case, as large as a GPU with `total_bytes` can hold nine times over.

    That is how many networks are alive at once: ours and PyTorch's, each with what its allocator keeps.
    """
    if quick:
        deep, deep_rows, long, long_rows = (20, *[16] * 9, 7), 48, (20, *[8] * 25, 7), 96
    else:
        width = 2048 if total_bytes >= LARGE_GPU_BYTES else 1024
        deep, deep_rows = (784, *[width] * 64, 10), 4096
        most_rows = total_bytes // 9 // (4 * LONG_LAYERS * LONG_WIDTH)
        long, long_rows = (784, *[LONG_WIDTH] * LONG_LAYERS, 10), 2 ** (most_rows.bit_length() - 1)
    return [
        Case("deep", "activations and weights of like size", deep, deep_rows, every=8, row_block_mib=None),
        Case("long", "activations far larger than weights", long, long_rows, every=16, row_block_mib=None),
    ]


def steps(backend: CupyBackend, *, quick: bool, timed: bool, deadline: float) -> Iterator[Row]:
    """Rows of both cases. Without `timed`, each way takes one step, and only bytes are compared.

    No turn but the first begins after `deadline`, in the seconds of `time.monotonic`.
    """
    for case in cases(backend.device_memory().total_bytes, quick=quick):
        yield from _case_rows(backend, case, timed=timed, deadline=deadline)
        give_back(backend)


def _case_rows(backend: CupyBackend, case: Case, *, timed: bool, deadline: float) -> Iterator[Row]:
    ours = [*_ours(backend, case)]
    runners = [runner for runner, _ in ours]
    predicted = {runner.name: peak for runner, peak in ours}
    if timed:
        runners = [control(case, backend), *runners, *torch_runners(case, backend.device.id)]
    peaks, unable = {}, {}
    out_of_memory: tuple[type[Exception], ...] = (OutOfDeviceMemory, *torch_out_of_memory())
    for runner in runners:
        try:
            peaks[runner.name] = runner.peak_bytes()
            runner.step()
        except out_of_memory as error:
            unable[runner.name] = str(error).splitlines()[0]
    able = {runner.name: runner.step for runner in runners if runner.name not in unable}
    seconds = median_seconds(able, title=case.name, deadline=deadline) if timed else {}
    for runner in runners:
        told, figures = [], {"kind": runner.kind, "batch_size": case.batch_size, "layers": len(case.sizes) - 1}
        if runner.name in seconds:
            own, figured = seconds[runner.name], _ratios(runner.name, seconds, runners[0].name)
            figures |= figured
            told.append(f"{own * 1e3:.1f} ms, {figured['of_products']:.2f} times the products'")
            told.append(f"{figured['of_plain']:.2f} times plain's")
        if runner.name in unable:
            told.append(f"not run: {unable[runner.name]}")
        measured = peaks.get(runner.name)
        if measured is not None:
            figures["peak_bytes"] = measured
            told.append(f"{format_bytes(measured)} above rest")
        if runner.recompute_fraction:
            told.append(f"{runner.recompute_fraction:.0%} recomputed")
        passed = None
        if runner.name in predicted:
            figures["predicted_peak_bytes"] = predicted[runner.name]
            passed = measured == predicted[runner.name]
            told.append(
                "as predicted" if passed else f"{predicted[runner.name]:,} bytes predicted, {measured} measured"
            )
        yield Row(f"steps, {case.name}", runner.name, passed, ", ".join(told), figures)


def _ratios(name: str, seconds: dict[str, float], products: str) -> dict[str, float]:
    own = seconds[name]
    return {
        "seconds": own,
        "of_products": own / seconds.get(products, own),
        "of_plain": own / seconds.get("plain", own),
    }


def _ours(backend: CupyBackend, case: Case) -> Iterator[tuple[Runner, int]]:
    """Plain backpropagation, sqrt, and plans in sqrt's bytes and in half of them; with the peak predicted for each."""
    chain = chain_of(case.sizes, batch_size=case.batch_size, backend="cupy")
    everything, root = store_all(n_layers=chain.n_layers), square_root(n_layers=chain.n_layers)
    room = arena_bytes(root, chain)
    ways: list[tuple[str, Schedule]] = [
        ("plain", everything),
        ("sqrt", root),
        ("planned in sqrt's bytes, unblocked", plan_chain(chain, budget_bytes=room, row_blocks=False).schedule),
        ("planned in half of sqrt's bytes", _in_half(chain, room)),
    ]
    X, y = (backend.asarray(x) for x in batch_of(case))
    more: dict[str, Any] = {"initialization": "scaled", "backend": backend}
    for name, schedule in ways:
        net: Network
        if name == "plain":
            net = Network(case.sizes, **more)
        else:
            net = NetworkWithCheckpointing(case.sizes, schedule=schedule, **more)
        simulated = simulate(schedule, chain)
        yield _runner(name, net, X, y, simulated.recompute_fraction), simulated.peak_bytes


def _in_half(chain: Chain, room: int) -> Schedule:
    """The fastest plan in half of `room`, or in the least bytes if more, no row blocks under a 16th of the rows."""
    rows = max(chain.batch_size // 16, 1)
    budget = max(room // 2, least_bytes(chain, minimum_block_rows=rows))
    return plan_chain(chain, budget_bytes=budget, minimum_block_rows=rows).schedule


def _runner(name: str, net: Network, X: Any, y: Any, recompute_fraction: float) -> Runner:
    def step() -> None:
        net.update_mini_batch(X, y, eta=ETA)
        net.backend.synchronize()

    def peak_bytes() -> int:
        gc.collect()
        with net.backend.measure() as usage:
            step()
        return usage.peak_bytes

    return Runner(name, "ours", step, peak_bytes, recompute_fraction)
