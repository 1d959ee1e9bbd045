"""PyTorch's steps on a GPU: eager, and with `checkpoint_sequential`."""

import importlib.util
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from bench.steps.cases import Case
from bench.steps.runner import ETA, Runner, batch_of


def torch_on_gpu() -> str | None:
    """PyTorch's version where it can use the GPU, else None."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return str(torch.__version__) if torch.cuda.is_available() else None


def torch_out_of_memory() -> tuple[type[Exception], ...]:
    """What PyTorch raises when the GPU has no memory left."""
    if torch_on_gpu() is None:
        return ()
    import torch

    return (torch.cuda.OutOfMemoryError,)


def torch_runners(case: Case, number: int) -> Iterator[Runner]:
    """PyTorch eager on GPU `number`, and `checkpoint_sequential` in sqrt segments; none where PyTorch cannot run.

    Products are in float32 throughout, as ours are: TF32 is off.
    """
    if torch_on_gpu() is None:
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
