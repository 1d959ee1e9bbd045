"""Steps on a card against the matrix products alone and against PyTorch: time, and bytes as predicted.

Every clock is stopped after a synchronise. Each turn takes every runner once, so that a card that slows down when it is
warm slows all of them alike; figures are medians.
"""

import gc
import importlib.util
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from tqdm import tqdm

from backend.cupy.backend import CupyBackend
from backend.errors import OutOfDeviceMemory
from bench.gpu_acceptance.checks import give_back, least_bytes
from bench.gpu_acceptance.rows import Row
from bench.steps.cases import Case
from bench.steps.runners import ETA, Runner, batch_of, control
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
from checkpoint.units import format_bytes
from mlp import Network

TURNS = 7
BIG_CARD_BYTES = 32 * 2**30
LONG_LAYERS, LONG_WIDTH = 512, 512


def cases(total_bytes: int, *, quick: bool) -> list[Case]:
    """A deep and a long case, as large as a card with so much memory can hold nine times over.

    So many networks are there at once: ours and PyTorch's, each with what its allocator keeps.
    """
    if quick:
        deep, deep_rows, long, long_rows = (20, *[16] * 9, 7), 48, (20, *[8] * 25, 7), 96
    else:
        width = 2048 if total_bytes >= BIG_CARD_BYTES else 1024
        deep, deep_rows = (784, *[width] * 64, 10), 4096
        most_rows = total_bytes // 9 // (4 * LONG_LAYERS * LONG_WIDTH)
        long, long_rows = (784, *[LONG_WIDTH] * LONG_LAYERS, 10), 2 ** (most_rows.bit_length() - 1)
    return [
        Case("deep", "activations and weights of like size", deep, deep_rows, every=8, row_block_mib=None),
        Case("long", "activations far larger than weights", long, long_rows, every=16, row_block_mib=None),
    ]


def steps(backend: CupyBackend, *, quick: bool, timed: bool, deadline: float) -> Iterator[Row]:
    """Both cases. Without `timed`, each way takes one step, and only bytes are looked at.

    No turn is begun after `deadline`, in the seconds of `time.monotonic`, but for the first.
    """
    for case in cases(backend.device_memory().total_bytes, quick=quick):
        yield from _case_rows(backend, case, timed=timed, deadline=deadline)
        give_back(backend)


def _case_rows(backend: CupyBackend, case: Case, *, timed: bool, deadline: float) -> Iterator[Row]:
    ours = [*_ours(backend, case)]
    runners = [runner for runner, _ in ours]
    predicted = dict(ours)
    if timed:
        runners = [control(case, backend), *runners, *torch_runners(case, backend.device.id)]
    peaks, unable = {}, {}
    out_of_memory: tuple[type[Exception], ...] = (OutOfDeviceMemory, *_torch_out_of_memory())
    for runner in runners:
        try:
            peaks[runner] = runner.peak_bytes()
            runner.step()
        except out_of_memory as error:
            unable[runner] = str(error).splitlines()[0]
    able = [runner for runner in runners if runner not in unable]
    seconds = _medians(case, able, deadline=deadline) if timed else {}
    plain = next(runner for runner in runners if runner.name == "plain")
    floor = seconds.get(runners[0])
    for runner in runners:
        told, figures = [], {"kind": runner.kind, "batch_size": case.batch_size, "layers": len(case.sizes) - 1}
        if runner in seconds:
            own = seconds[runner]
            figures |= {"seconds": own, "of_products": own / (floor or own), "of_plain": own / seconds.get(plain, own)}
            told.append(f"{own * 1e3:.1f} ms, {figures['of_products']:.2f} of the products'")
            told.append(f"{figures['of_plain']:.2f} of plain's")
        if runner in unable:
            told.append(f"not run: {unable[runner]}")
        measured = peaks.get(runner)
        if measured is not None:
            figures["peak_bytes"] = measured
            told.append(f"{format_bytes(measured)} above rest")
        if runner.recompute_fraction:
            told.append(f"{runner.recompute_fraction:.0%} recomputed")
        passed = None
        if runner in predicted:
            figures["predicted_peak_bytes"] = predicted[runner]
            passed = measured == predicted[runner]
            told.append("as predicted" if passed else f"{predicted[runner]:,} bytes predicted, {measured} measured")
        yield Row(f"steps, {case.name}", runner.name, passed, ", ".join(told), figures)


def _medians(case: Case, runners: Sequence[Runner], *, deadline: float) -> dict[Runner, float]:
    """The median seconds of a step of each runner, which synchronises, in turns that take each runner once."""
    found: dict[Runner, list[float]] = {runner: [] for runner in runners}
    for turn in tqdm(range(TURNS), desc=case.name, unit="turn", leave=False, disable=None):
        if turn and time.monotonic() > deadline:
            break
        for runner in runners:
            begun = time.perf_counter()
            runner.step()
            found[runner].append(time.perf_counter() - begun)
    return {runner: statistics.median(values) for runner, values in found.items()}


def _ours(backend: CupyBackend, case: Case) -> Iterator[tuple[Runner, int]]:
    """Plain backpropagation, sqrt, and plans in sqrt's bytes and in half of them; with the peak predicted for each."""
    chain = chain_of(case.sizes, batch_size=case.batch_size, backend="cupy")
    keep_all, root = store_all(n_layers=chain.n_layers), square_root(n_layers=chain.n_layers)
    room = simulate(root, chain).peak_bytes
    ways: list[tuple[str, Schedule]] = [
        ("plain", keep_all),
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
    """The fastest plan in half of `room`, or in the least bytes where that is more; blocks of a sixteenth at least."""
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


# PyTorch


def torch_on_card() -> str | None:
    """PyTorch's version where it can use the card, else None."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return str(torch.__version__) if torch.cuda.is_available() else None


def torch_runners(case: Case, number: int) -> Iterator[Runner]:
    """PyTorch eager on card `number`, and with `checkpoint_sequential` in sqrt segments; none where it cannot run.

    Products in float32 throughout, as ours: TF32 is off.
    """
    if torch_on_card() is None:
        return
    import torch
    from torch.utils.checkpoint import checkpoint_sequential

    device = torch.device("cuda", number)
    torch.set_float32_matmul_precision("highest")
    X, y = (torch.from_numpy(x).to(device) for x in batch_of(case))
    segments = max(round((len(case.sizes) - 1) ** 0.5), 1)

    def plain(net: Any) -> Any:
        return net(X)

    def checkpointed(net: Any) -> Any:
        return checkpoint_sequential(net, segments, X, use_reentrant=False, preserve_rng_state=False)

    for name, forward in (
        ("PyTorch eager", plain),
        (f"PyTorch checkpoint_sequential, {segments} segments", checkpointed),
    ):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            *(torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Sigmoid()) for a, b in pairwise(case.sizes))
        ).to(device)
        optimizer = torch.optim.SGD(net.parameters(), lr=ETA)

        def step(net: Any = net, forward: Any = forward, optimizer: Any = optimizer) -> None:
            (((forward(net) - y) ** 2).sum() / (2 * len(X))).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            torch.cuda.synchronize(device)

        def peak_bytes(step: Any = step) -> int:
            step()
            torch.cuda.reset_peak_memory_stats(device)
            held = torch.cuda.memory_allocated(device)
            step()
            return int(torch.cuda.max_memory_allocated(device) - held)

        yield Runner(name, "peer", step, peak_bytes)


def _torch_out_of_memory() -> tuple[type[Exception], ...]:
    if torch_on_card() is None:
        return ()
    import torch

    return (torch.cuda.OutOfMemoryError,)
